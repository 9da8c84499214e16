_base_ = "retinanet_r50_fpn.py"
model = dict(backbone=dict(depth=101))
pretrained_weights = "data/weights/resnet101-63fe2227.pth"
