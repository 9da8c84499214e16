_base_ = ["_base_/fgfa_r50_dc5_vid.py", "_base_/extractors/sra.py"]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=512)))))
