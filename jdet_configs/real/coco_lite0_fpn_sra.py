_base_ = ["../_base_/real_sra.py", "../_base_/extractors/sra.py"]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=96)))))
