_base_ = ["../_base_/real.py", "../_base_/extractors/self_attention.py"]
# Heads with 21 channels: 96 / 256 of 55, the width assumed for 256 channels.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=96, head_channels=21)))))
