# Faster R-CNN R50-FPN with the settings of mmdet 3.x faster-rcnn_r50_fpn. RoI Align is the extractor.
model = dict(
    type="FasterRCNN",
    backbone=dict(type="ResNet", depth=50, out_indices=[0, 1, 2, 3], frozen_stages=1, norm_eval=True),
    neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn=dict(
        type="RPNHead",
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(type="AnchorGenerator", scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
        box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[1.0, 1.0, 1.0, 1.0]),
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True),
        sampler=dict(type="RandomSampler", num=256, pos_fraction=0.5),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
        loss_box=dict(type="L1Loss", loss_weight=1.0),
        train_proposals=dict(type="ProposalSelector", nms_pre=2000, max_per_img=1000, nms_thr=0.7, min_size=0),
        test_proposals=dict(type="ProposalSelector", nms_pre=1000, max_per_img=1000, nms_thr=0.7, min_size=0),
    ),
    roi_head=dict(
        type="RoIHead",
        box=dict(
            type="BoxBranch",
            extractor=dict(
                type="FPNRoIExtractor",
                roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0, aligned=True),
                out_channels=256,
                featmap_strides=[4, 8, 16, 32],
            ),
            head=dict(
                type="Shared2FCBBoxHead",
                in_channels=256,
                roi_feat_size=7,
                fc_out_channels=1024,
                num_classes=80,
                reg_class_agnostic=False,
                box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[0.1, 0.1, 0.2, 0.2]),
                loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
                loss_box=dict(type="L1Loss", loss_weight=1.0),
            ),
            assigner=dict(
                type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False
            ),
            sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25, add_gt_as_proposals=True),
            test=dict(type="DetectionSelector", score_thr=0.05, nms_thr=0.5, max_per_img=100),
        ),
    ),
)
