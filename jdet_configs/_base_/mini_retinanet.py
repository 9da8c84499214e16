# The mini preset of RetinaNet: backbone, data and schedule are those of mini.py, a pyramid from P3 to P7 and narrow towers.
_base_ = "mini.py"
model = dict(
    _cover_=True,
    type="RetinaNet",
    backbone=dict(
        type="ResNet", depth=18, base_channels=32, out_indices=[0, 1, 2, 3], frozen_stages=-1, norm_eval=False
    ),
    neck=dict(
        type="FPN", in_channels=[32, 64, 128, 256], out_channels=64, num_outs=5, start_level=1, extra="on_input"
    ),
    head=dict(
        type="RetinaHead",
        num_classes=6,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        anchor_generator=dict(
            type="AnchorGenerator",
            octave_base_scale=4,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64, 128],
        ),
        box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[1.0, 1.0, 1.0, 1.0]),
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.0, match_low_quality=True),
        loss_cls=dict(type="FocalLoss", alpha=0.25, gamma=2.0, loss_weight=1.0),
        loss_box=dict(type="SmoothL1Loss", beta=0.11, loss_weight=1.0),
        test=dict(type="DenseSelector", nms_pre=300, score_thr=0.05, nms_thr=0.5, max_per_img=100, min_size=0),
    ),
)
