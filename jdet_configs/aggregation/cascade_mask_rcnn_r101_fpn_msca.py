_base_ = "cascade_mask_rcnn_r50_fpn_msca.py"
model = dict(backbone=dict(depth=101))
pretrained_weights = "data/weights/resnet101-63fe2227.pth"
