# The mini preset of Faster R-CNN on C4: mini.py without a pyramid, the last stage on each RoI.
_base_ = "../_base_/mini.py"
model = dict(
    backbone=dict(out_indices=[2]),
    neck=None,
    rpn=dict(in_channels=128, anchor_generator=dict(scales=[1, 2, 4, 8], strides=[16])),
    roi_head=dict(
        box=dict(
            extractor=dict(out_channels=128, featmap_strides=[16]),
            head=dict(
                _cover_=True,
                type="Res5BoxHead",
                depth=18,
                base_channels=32,
                stride=1,
                norm_eval=False,
                num_classes=6,
                box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[0.1, 0.1, 0.2, 0.2]),
                loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
                loss_box=dict(type="L1Loss", loss_weight=1.0),
            ),
        )
    ),
)
