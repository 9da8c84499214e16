_base_ = "aligndet_r101_fpn_7x7_1_5x_ms.py"
model = dict(backbone=dict(depth=101, groups=32, base_width=8))
pretrained_weights = "data/weights/resnext101_32x8d-8ba56ff5.pth"
