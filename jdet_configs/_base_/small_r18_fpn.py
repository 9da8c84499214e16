# Faster R-CNN R18-FPN from scratch, for your own data on the CPU: an FPN and a head with half the usual width,
# BatchNorm statistics are trained, AdamW. RoI Align is the extractor. Configs of `jsra init` are based on it.
_base_ = "models/faster_rcnn_r50_fpn.py"
model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=128),
    rpn=dict(
        in_channels=128,
        feat_channels=128,
        train_proposals=dict(nms_pre=1000, max_per_img=500),
        test_proposals=dict(nms_pre=500, max_per_img=300),
    ),
    roi_head=dict(
        box=dict(
            extractor=dict(out_channels=128),
            head=dict(in_channels=128, fc_out_channels=512),
            sampler=dict(num=128),
        )
    ),
)
optimizer = dict(type="AdamW", lr=0.0005, weight_decay=0.05, grad_clip=dict(max_norm=10))
checkpoint_interval = 1
log_interval = 10
seed = 0
