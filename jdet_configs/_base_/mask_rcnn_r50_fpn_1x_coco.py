_base_ = ["models/mask_rcnn_r50_fpn.py", "coco_instance.py", "schedule_1x.py"]
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
