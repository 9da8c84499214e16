# The embedded data set (`jsra data puppets data/puppets`): articulated figures of six classes, with masks.
# Beside val, the transformed splits of the fixed-pose world: `jsra test CONFIG --split test_rotation`.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def _split(name):
    return dict(
        type="COCODataset",
        root=f"data/puppets/{name}",
        anno_file=f"data/puppets/annotations/{name}.json",
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
    val=_split("val"),
    test=_split("val"),
    test_fixed=_split("test_fixed"),
    test_rotation=_split("test_rotation"),
    test_reflection=_split("test_reflection"),
    test_perspective=_split("test_perspective"),
    test_pose=_split("test_pose"),
    test_scale=_split("test_scale"),
)
del _normalize, _split
