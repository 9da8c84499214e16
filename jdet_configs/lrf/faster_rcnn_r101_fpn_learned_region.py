_base_ = "../faster_rcnn_r50_fpn_learned_region_1x_coco.py"
model = dict(backbone=dict(depth=101))
pretrained_weights = "data/weights/resnet101-63fe2227.pth"
