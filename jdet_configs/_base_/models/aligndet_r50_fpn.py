# AlignDet R50-FPN: a RetinaNet refines one anchor per position; RoIConv 7x7 with 1024 channels reads features inside the
# refined anchor, a 1x1 convolution follows. simpledet's anchors are larger, with scale 4 * 2^(1/3); the scale here is the
# paper's. The loss for boxes is simpledet's.
_loss_cls = dict(type="FocalLoss", alpha=0.25, gamma=2.0, loss_weight=1.0)
_loss_box = dict(type="SmoothL1Loss", beta=0.11, loss_weight=1.0)
_box_coder = dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[1.0, 1.0, 1.0, 1.0])
_strides = [8, 16, 32, 64, 128]
model = dict(
    type="AlignDet",
    backbone=dict(type="ResNet", depth=50, out_indices=[0, 1, 2, 3], frozen_stages=1, norm_eval=True),
    neck=dict(
        type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5, start_level=1, extra="on_input"
    ),
    dpm=dict(
        type="RetinaHead",
        num_classes=80,
        in_channels=256,
        feat_channels=256,
        stacked_convs=4,
        anchor_generator=dict(type="AnchorGenerator", scales=[4], ratios=[1.0], strides=_strides),
        box_coder=_box_coder,
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.4, neg_iou_thr=0.3, min_pos_iou=0.0, match_low_quality=True),
        loss_cls=_loss_cls,
        loss_box=_loss_box,
    ),
    adm=dict(
        type="AlignedHead",
        num_classes=80,
        align=dict(type="RoIConv", in_channels=256, out_channels=1024, kernel_size=7),
        strides=_strides,
        num_convs=1,
        conv_kernel=1,
        box_coder=_box_coder,
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.7, min_pos_iou=0.0, match_low_quality=True),
        loss_cls=_loss_cls,
        loss_box=_loss_box,
        test=dict(type="DenseSelector", nms_pre=1000, score_thr=0.05, nms_thr=0.5, max_per_img=100, min_size=0),
    ),
)
del _box_coder, _loss_box, _loss_cls, _strides
