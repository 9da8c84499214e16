_base_ = [
    "_base_/models/mask_rcnn_r50_fpn.py",
    "_base_/lvis_v1.py",
    "_base_/schedule_1x.py",
    "_base_/extractors/roi_align.py",
]
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
