# The training for the paper's tables 1 to 6, with torchvision's ImageNet weights (jsra convert reads their .pth file).
_base_ = ["models/faster_rcnn_r50_fpn.py", "coco_detection.py", "schedule_1x.py"]
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
