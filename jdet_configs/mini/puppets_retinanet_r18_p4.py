# RetinaNet on P4 only, with five square anchors per position (tables 1 and 2).
_base_ = "../_base_/mini_retinanet.py"
model = dict(
    neck=dict(start_level=2, num_outs=1),
    head=dict(
        anchor_generator=dict(_cover_=True, type="AnchorGenerator", scales=[2, 4, 8, 16, 32], ratios=[1.0], strides=[16])
    ),
)
