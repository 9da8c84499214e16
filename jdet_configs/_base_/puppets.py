# The built-in dataset (`jsra data puppets data/puppets`): articulated figures of six classes, with masks.
# Besides val there are transformed splits of the fixed-pose scenes, e.g. `jsra test CONFIG --split test_rotation`.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_val = dict(
    type="COCODataset",
    root="data/puppets/val",
    anno_file="data/puppets/annotations/val.json",
    use_anno_cats=True,
    transforms=[
        dict(type="Resize", min_size=224, max_size=224),
        _normalize,
        dict(type="Pad", size_divisor=32),
    ],
    batch_size=1,
    num_workers=1,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="COCODataset",
        root="data/puppets/train",
        anno_file="data/puppets/annotations/train.json",
        use_anno_cats=True,
        transforms=[
            dict(type="Resize", min_size=224, max_size=224),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=8,
        num_workers=1,
        shuffle=True,
    ),
    val=_val,
    test=_val,
)
for _name in ("fixed", "rotation", "reflection", "perspective", "pose", "scale"):
    dataset[f"test_{_name}"] = dict(
        _val,
        root=f"data/puppets/test_{_name}",
        anno_file=f"data/puppets/annotations/test_{_name}.json",
    )
evaluator = [dict(type="COCOBoxAP")]
del _name, _normalize, _val
