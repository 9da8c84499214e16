_base_ = ["../_base_/mini.py", "../_base_/extractors/learned_region.py"]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=64)))))
