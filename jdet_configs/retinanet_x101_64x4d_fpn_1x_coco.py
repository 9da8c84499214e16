_base_ = "retinanet_r50_fpn_1x_coco.py"
model = dict(backbone=dict(depth=101, groups=64, base_width=4))
pretrained_weights = "data/weights/resnext101_64x4d-173b62eb.pth"
