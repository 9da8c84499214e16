_base_ = ["../_base_/real.py", "../_base_/extractors/conv_masks.py"]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=96)))))
