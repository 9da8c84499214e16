_base_ = "faster_rcnn_r50_c5_roi_pool.py"
model = dict(backbone=dict(depth=101))
pretrained_weights = "data/weights/resnet101-63fe2227.pth"
