# The mini preset of RetinaNet: a narrow backbone, pyramid and towers.
_base_ = ["models/retinanet_r50_fpn.py", "mini_training.py"]
model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    head=dict(
        num_classes=6,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        loss_box=dict(_cover_=True, type="SmoothL1Loss", beta=0.11, loss_weight=1.0),
        test=dict(nms_pre=300),
    ),
)
