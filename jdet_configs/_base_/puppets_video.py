# The built-in clips (`jsra data puppets data/puppets_video --video`): moving figures of six classes in ImageNet VID's layout.
_classes = ["biped", "quadruped", "bird", "crab", "robot_arm", "fish"]
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_val = dict(
    type="VIDDataset",
    root="data/puppets_video",
    image_set="VID/val_videos",
    classes=_classes,
    transforms=[dict(type="Resize", min_size=160, max_size=160), _normalize, dict(type="Pad", size_divisor=32)],
    batch_size=1,
    num_workers=1,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="VIDDataset",
        root="data/puppets_video",
        image_set="VID/train_videos",
        classes=_classes,
        transforms=[
            dict(type="Resize", min_size=160, max_size=160),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=4,
        num_workers=1,
        shuffle=True,
        references=dict(num=2, frame_range=9),
    ),
    val=_val,
    test=_val,
)
evaluator = [dict(type="VIDBoxAP"), dict(type="MotionAP")]
del _classes, _normalize, _val
