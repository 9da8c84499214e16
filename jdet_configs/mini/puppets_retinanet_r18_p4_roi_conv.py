# RetinaNet on P4 with a RoIConv for each of its five anchors, before the towers (table 2).
_base_ = "puppets_retinanet_r18_p4.py"
model = dict(
    head=dict(
        _cover_=True,
        type="AlignedHead",
        num_classes=6,
        align=dict(type="RoIConv", in_channels=64, out_channels=64, kernel_size=3),
        strides=[16],
        num_convs=2,
        conv_kernel=3,
        separate_towers=True,
        anchor_generator=dict(type="AnchorGenerator", scales=[2, 4, 8, 16, 32], ratios=[1.0], strides=[16]),
        box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[1.0, 1.0, 1.0, 1.0]),
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.0, match_low_quality=True),
        loss_cls=dict(type="FocalLoss", alpha=0.25, gamma=2.0, loss_weight=1.0),
        loss_box=dict(type="SmoothL1Loss", beta=0.11, loss_weight=1.0),
        test=dict(type="DenseSelector", nms_pre=300, score_thr=0.05, nms_thr=0.5, max_per_img=100, min_size=0),
    )
)
