# Faster R-CNN R18-FPN with half the usual width on FOD-A video, from scratch on the CPU.
_base_ = ["small_r18_fpn.py", "foda.py"]
model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        box=dict(
            extractor=dict(out_channels=64),
            head=dict(in_channels=64, num_classes=12),
        )
    ),
)
scheduler = dict(type="StepLR", milestones=[12, 15], warmup="linear", warmup_iters=100, warmup_ratio=0.01)
max_epoch = 16
eval_interval = None  # only at the end
checkpoint_interval = 5
