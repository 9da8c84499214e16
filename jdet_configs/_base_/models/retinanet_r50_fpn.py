# RetinaNet R50-FPN with the settings of mmdet 3.x retinanet_r50_fpn.
model = dict(
    type="RetinaNet",
    backbone=dict(type="ResNet", depth=50, out_indices=[0, 1, 2, 3], frozen_stages=1, norm_eval=True),
    neck=dict(
        type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5, start_level=1, extra="on_input"
    ),
    head=dict(
        type="RetinaHead",
        num_classes=80,
        in_channels=256,
        feat_channels=256,
        stacked_convs=4,
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
        loss_box=dict(type="L1Loss", loss_weight=1.0),
        test=dict(type="DenseSelector", nms_pre=1000, score_thr=0.05, nms_thr=0.5, max_per_img=100, min_size=0),
    ),
)
