# FOD-A video, debris on airfields, in ImageNet VID's layout: 36 clips for training, 24 for testing, with 16 frames each; 12
# classes, one object per frame. Images of about 300 pixels.
_classes = ["Wire", "Bolt", "PlasticPart", "Pliers", "Wrench", "MetalPart", "Washer", "ClampPart", "Nut", "Cutter",
            "LuggageTag", "Nail"]  # fmt: skip
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_val = dict(
    type="VIDDataset",
    root="data/foda_vid",
    image_set="VID/val_videos",
    classes=_classes,
    transforms=[dict(type="Resize", min_size=300, max_size=300), _normalize, dict(type="Pad", size_divisor=32)],
    batch_size=1,
    num_workers=1,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="VIDDataset",
        root="data/foda_vid",
        image_set="VID/train_videos",
        classes=_classes,
        transforms=[
            dict(type="Resize", min_size=[224, 256, 288, 320], max_size=320),
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
    test=_val,
)
evaluator = [dict(type="VIDBoxAP"), dict(type="MotionAP")]
del _classes, _normalize, _val
