# RetinaNet on P4 only, with five square anchors per position (tables 1 and 2).
_base_ = ["../_base_/models/retinanet_r50_fpn.py", "../_base_/aligndet_1x_coco.py"]
model = dict(
    neck=dict(start_level=2, num_outs=1),
    head=dict(
        anchor_generator=dict(_cover_=True, type="AnchorGenerator", scales=[2, 4, 8, 16, 32], ratios=[1.0], strides=[16]),
        loss_box=dict(_cover_=True, type="SmoothL1Loss", beta=0.11),
    ),
)
