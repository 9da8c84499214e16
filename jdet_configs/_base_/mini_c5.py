# The mini preset of Learning Region Features' detector: mini.py without a pyramid, on dilated conv5.
_base_ = "mini.py"
model = dict(
    type="FasterRCNNC5",
    backbone=dict(out_indices=[2, 3], strides=[1, 2, 2, 1], dilations=[1, 1, 1, 2]),
    neck=dict(_cover_=True, type="ReducedC5", in_channels=[128, 256], out_channels=64),
    rpn=dict(in_channels=128, anchor_generator=dict(scales=[1, 2, 4, 8], strides=[16])),
    roi_head=dict(box=dict(extractor=dict(featmap_strides=[16]))),
)
