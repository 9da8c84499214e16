_base_ = ["../_base_/mini.py", "../_base_/extractors/self_attention.py"]
# Heads of 14 channels: 55, the width assumed for 256 channels, by four.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=64, head_channels=14)))))
