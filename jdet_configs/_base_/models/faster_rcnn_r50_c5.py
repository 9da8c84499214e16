# Learning Region Features' Faster R-CNN (its section 4): proposals from conv4, detection on dilated conv5 with 256
# channels, both with stride 16. The paper does not give the anchors: four scales and three ratios, as in Deformable ConvNets
# (2017); nor the numbers of proposals and samples in training: 300, as in its table 3, and 128.
_base_ = "faster_rcnn_r50_fpn.py"
model = dict(
    type="FasterRCNNC5",
    backbone=dict(out_indices=[2, 3], strides=[1, 2, 2, 1], dilations=[1, 1, 1, 2]),
    neck=dict(_cover_=True, type="ReducedC5", in_channels=[1024, 2048], out_channels=256),
    rpn=dict(
        in_channels=1024,
        feat_channels=512,
        anchor_generator=dict(scales=[4, 8, 16, 32], strides=[16]),
        train_proposals=dict(nms_pre=6000, max_per_img=300),
        test_proposals=dict(nms_pre=6000, max_per_img=300),
    ),
    roi_head=dict(box=dict(extractor=dict(featmap_strides=[16]), sampler=dict(num=128))),
)
