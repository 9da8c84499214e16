# LVIS v1: images of rare classes are used more often; everything else is as for COCO.
_base_ = ["models/mask_rcnn_r50_fpn.py", "lvis_v1.py", "schedule_1x.py", "aggregation_schedule.py"]
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
