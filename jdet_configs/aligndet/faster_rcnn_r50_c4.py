# Faster R-CNN without a pyramid (table 1), with mmdet's recipe: all norms are frozen, including their weights.
_base_ = ["../_base_/models/faster_rcnn_r50_c4.py", "../_base_/aligndet_1x_coco.py"]
optimizer = dict(lr=0.02)
