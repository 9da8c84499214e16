_base_ = ["models/mask_rcnn_r50_fpn.py", "lvis_v1.py", "schedule_1x.py"]
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
