# COCO 2017, the recipe of Faster R-CNN 1x: short side 800, long side at most 1333, horizontal flips, 16 images per step.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_test_transforms = [
    dict(type="Resize", min_size=800, max_size=1333),
    _normalize,
    dict(type="Pad", size_divisor=32),
]
dataset = dict(
    train=dict(
        type="COCODataset",
        root="data/coco/train2017",
        anno_file="data/coco/annotations/instances_train2017.json",
        transforms=[
            dict(type="Resize", min_size=800, max_size=1333),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=16,
        num_workers=4,
        shuffle=True,
        filter_empty_gt=True,
        filter_min_size=32,
    ),
    val=dict(
        type="COCODataset",
        root="data/coco/val2017",
        anno_file="data/coco/annotations/instances_val2017.json",
        transforms=_test_transforms,
        batch_size=1,
        num_workers=4,
        filter_empty_gt=False,
    ),
    # test-dev is evaluated by COCO's server: `jsra test` writes detections/*.json for it and prints no AP.
    test=dict(
        type="COCODataset",
        root="data/coco/test2017",
        anno_file="data/coco/annotations/image_info_test-dev2017.json",
        transforms=_test_transforms,
        batch_size=1,
        num_workers=4,
        filter_empty_gt=False,
    ),
)
evaluator = [dict(type="COCOBoxAP")]
del _normalize, _test_transforms
