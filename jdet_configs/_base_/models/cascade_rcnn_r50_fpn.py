# Cascade R-CNN R50-FPN with the settings of mmdet 3.x cascade-rcnn_r50_fpn. Three stages with class-agnostic boxes.
_base_ = "faster_rcnn_r50_fpn.py"


def _stage(iou, stds):
    return dict(
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
            reg_class_agnostic=True,
            box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=stds),
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
            loss_box=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),
        ),
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou, match_low_quality=False),
        sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25, add_gt_as_proposals=True),
    )


model = dict(
    type="CascadeRCNN",
    rpn=dict(
        loss_box=dict(_cover_=True, type="SmoothL1Loss", beta=1.0 / 9.0, loss_weight=1.0),
        allowed_border=0,
        train_proposals=dict(max_per_img=2000),
    ),
    roi_head=dict(
        box=dict(
            _cover_=True,
            type="CascadeBoxBranch",
            stages=dict(
                s0=_stage(0.5, [0.1, 0.1, 0.2, 0.2]),
                s1=_stage(0.6, [0.05, 0.05, 0.1, 0.1]),
                s2=_stage(0.7, [0.033, 0.033, 0.067, 0.067]),
            ),
            loss_weights=[1.0, 0.5, 0.25],
            test=dict(type="DetectionSelector", score_thr=0.05, nms_thr=0.5, max_per_img=100),
        )
    ),
)
del _stage
