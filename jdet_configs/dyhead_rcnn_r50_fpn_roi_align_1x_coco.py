_base_ = ["_base_/dyhead_rcnn_r50_fpn_1x_coco.py", "_base_/extractors/roi_align.py"]
