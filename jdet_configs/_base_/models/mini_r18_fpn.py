# The model of the mini preset: Faster R-CNN R18-FPN with half the usual width (FPN: a quarter), for the puppets' classes.
_base_ = "faster_rcnn_r50_fpn.py"
model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn=dict(
        in_channels=64,
        feat_channels=64,
        train_proposals=dict(nms_pre=500, max_per_img=200),
        test_proposals=dict(nms_pre=300, max_per_img=100),
    ),
    roi_head=dict(
        box=dict(
            extractor=dict(out_channels=64),
            head=dict(in_channels=64, fc_out_channels=512, num_classes=6),
            sampler=dict(num=48),
        )
    ),
)
