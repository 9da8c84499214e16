# Table 7: 1.5 times as long, short side drawn from 640 to 800 for each image.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
dataset = dict(
    train=dict(
        transforms=[
            dict(type="Resize", min_size=[640, 672, 704, 736, 768, 800], max_size=1333),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ]
    )
)
scheduler = dict(milestones=[12, 16])
max_epoch = 18
del _normalize
