_base_ = "aligndet_r50_fpn_7x7.py"
model = dict(backbone=dict(depth=101))
pretrained_weights = "data/weights/resnet101-63fe2227.pth"
