# Cascade Mask R-CNN R50-FPN with the settings of mmdet 3.x cascade-mask-rcnn_r50_fpn. A mask head for each stage.
_base_ = "cascade_rcnn_r50_fpn.py"
_stage = dict(
    type="MaskBranch",
    extractor=dict(
        type="FPNRoIExtractor",
        roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=0, aligned=True),
        out_channels=256,
        featmap_strides=[4, 8, 16, 32],
    ),
    head=dict(
        type="FCNMaskHead",
        num_convs=4,
        in_channels=256,
        conv_out_channels=256,
        num_classes=80,
        loss_mask=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
    ),
)
model = dict(
    roi_head=dict(
        branches=dict(
            mask=dict(
                type="CascadeMaskBranch",
                stages=dict(s0=_stage, s1=_stage, s2=_stage),
                loss_weights=[1.0, 0.5, 0.25],
                mask_thr=0.5,
            )
        )
    )
)
del _stage
