# Faster R-CNN on C4: proposals and RoI features from the third stage; the fourth stage runs on each RoI. Settings of mmdet
# 3.x faster-rcnn_r50-caffe_c4, but with the stride on the 3x3 convolutions.
_base_ = "faster_rcnn_r50_fpn.py"
model = dict(
    backbone=dict(out_indices=[2]),
    neck=None,
    rpn=dict(
        in_channels=1024,
        feat_channels=1024,
        anchor_generator=dict(scales=[2, 4, 8, 16, 32], strides=[16]),
        train_proposals=dict(nms_pre=12000, max_per_img=2000),
        test_proposals=dict(nms_pre=6000),
    ),
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(output_size=14), out_channels=1024, featmap_strides=[16]),
            head=dict(
                _cover_=True,
                type="Res5BoxHead",
                num_classes=80,
                box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0, 0.0, 0.0, 0.0], stds=[0.1, 0.1, 0.2, 0.2]),
                loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
                loss_box=dict(type="L1Loss", loss_weight=1.0),
            ),
        )
    ),
)
