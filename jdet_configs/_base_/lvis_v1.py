# LVIS v1, the recipe of mmdet's mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1: images of rare classes are used more often, short
# side 640 to 800. The images are those of COCO train2017 and val2017, with other splits.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_test = dict(
    type="LVISDataset",
    root="data/coco",
    anno_file="data/lvis/lvis_v1_val.json",
    transforms=[dict(type="Resize", min_size=800, max_size=1333), _normalize, dict(type="Pad", size_divisor=32)],
    batch_size=1,
    num_workers=4,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="LVISDataset",
        root="data/coco",
        anno_file="data/lvis/lvis_v1_train.json",
        transforms=[
            dict(type="Resize", min_size=[640, 672, 704, 736, 768, 800], max_size=1333),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=16,
        num_workers=4,
        shuffle=True,
        filter_empty_gt=True,
        filter_min_size=32,
        with_masks=True,
        oversample_threshold=0.001,
    ),
    val=_test,
    test=_test,
)
evaluator = [dict(type="LVISBoxAP"), dict(type="LVISMaskAP")]
model = dict(
    roi_head=dict(
        box=dict(head=dict(num_classes=1203), test=dict(score_thr=0.0001, max_per_img=300)),
        branches=dict(mask=dict(head=dict(num_classes=1203))),
    )
)
del _normalize, _test
