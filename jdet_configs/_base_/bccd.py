# BCCD, blood cells in VOC format: 205 images for training, 87 for validation, 72 for testing; at 320 pixels.
_classes = ["RBC", "WBC", "Platelets"]
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_val = dict(
    type="VOCDataset",
    root="data/bccd",
    image_set="val",
    classes=_classes,
    transforms=[
        dict(type="Resize", min_size=320, max_size=448),
        _normalize,
        dict(type="Pad", size_divisor=32),
    ],
    batch_size=1,
    num_workers=1,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="VOCDataset",
        root="data/bccd",
        image_set="train",
        classes=_classes,
        transforms=[
            dict(type="Resize", min_size=320, max_size=448),
            dict(type="RandomFlip", prob=0.5),
            dict(type="RandomFlip", prob=0.5, direction="vertical"),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=4,
        num_workers=1,
        shuffle=True,
    ),
    val=_val,
    test=dict(_val, image_set="test"),
)
evaluator = [dict(type="VOCBoxAP", mode="area"), dict(type="COCOBoxAP")]
del _classes, _normalize, _val
