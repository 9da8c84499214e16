# mmdet's retinanet_r50_fpn_1x_coco: half of Faster R-CNN's learning rate.
_base_ = ["_base_/models/retinanet_r50_fpn.py", "_base_/coco_detection.py", "_base_/schedule_1x.py"]
optimizer = dict(lr=0.01)
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
