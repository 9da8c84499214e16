_base_ = ["../_base_/mini.py", "../_base_/extractors/self_attention.py"]
# Heads with 14 channels: a quarter of 55, the width assumed for 256 channels.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=64, head_channels=14)))))
