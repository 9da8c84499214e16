# RetinaNet with one anchor per position, only AlignDet's DPM (table 3, 'w/o ADM').
_base_ = ["../_base_/models/retinanet_r50_fpn.py", "../_base_/aligndet_1x_coco.py"]
model = dict(
    head=dict(
        anchor_generator=dict(_cover_=True, type="AnchorGenerator", scales=[4], ratios=[1.0], strides=[8, 16, 32, 64, 128]),
        loss_box=dict(_cover_=True, type="SmoothL1Loss", beta=0.11),
    )
)
