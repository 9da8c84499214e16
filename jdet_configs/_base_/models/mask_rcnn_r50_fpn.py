# Mask R-CNN R50-FPN with the settings of mmdet 3.x mask-rcnn_r50_fpn. Boxes are matched as in Faster R-CNN, except for
# match_low_quality. RoI Align is the extractor for boxes and masks.
_base_ = "faster_rcnn_r50_fpn.py"
model = dict(
    type="MaskRCNN",
    roi_head=dict(
        box=dict(assigner=dict(match_low_quality=True)),
        branches=dict(
            mask=dict(
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
                mask_thr=0.5,
            )
        ),
    ),
)
