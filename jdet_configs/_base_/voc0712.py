# Pascal VOC: trained on 2007 + 2012 trainval, three times per epoch, tested on 2007 test with the 11-point AP.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_test = dict(
    type="VOCDataset",
    root="data/VOCdevkit/VOC2007",
    image_set="test",
    transforms=[
        dict(type="Resize", min_size=600, max_size=1000),
        _normalize,
        dict(type="Pad", size_divisor=32),
    ],
    batch_size=1,
    num_workers=4,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="VOCDataset",
        root=["data/VOCdevkit/VOC2007", "data/VOCdevkit/VOC2012"],
        image_set="trainval",
        transforms=[
            dict(type="Resize", min_size=600, max_size=1000),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=16,
        num_workers=4,
        shuffle=True,
        filter_empty_gt=True,
        filter_min_size=32,
        box_min_size=32,
        repeat=3,
    ),
    val=_test,
    test=_test,
)
evaluator = [dict(type="VOCBoxAP", mode="11point")]
del _normalize, _test
