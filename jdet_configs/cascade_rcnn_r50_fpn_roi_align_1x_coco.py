_base_ = "_base_/cascade_rcnn_r50_fpn_1x_coco.py"
