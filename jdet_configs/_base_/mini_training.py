# Data and schedule of the mini preset: the fixed-pose puppets at 160 pixels, from scratch, minutes on one CPU core.
# Tuned only with RoI Align (docs/reproduce.md). Every extractor gets the same schedule, data and proposals; some layers have
# a lower learning rate.
_base_ = "puppets_fixed.py"
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_transforms = [dict(type="Resize", min_size=160, max_size=160), _normalize]
_split = dict(transforms=_transforms, batch_size=10)
dataset = dict(
    train=dict(transforms=_transforms, batch_size=8),
    val=_split,
    test=_split,
    test_fixed=_split,
    test_rotation=_split,
    test_reflection=_split,
    test_perspective=_split,
    test_pose=_split,
    test_scale=_split,
)
optimizer = dict(type="AdamW", lr=0.0005, weight_decay=0.05, grad_clip=dict(max_norm=10))
scheduler = dict(type="StepLR", milestones=[5, 7], warmup="linear", warmup_iters=75, warmup_ratio=0.01)
max_epoch = 8
eval_interval = None  # only at the end
checkpoint_interval = 2
log_interval = 25
del _normalize, _split, _transforms
