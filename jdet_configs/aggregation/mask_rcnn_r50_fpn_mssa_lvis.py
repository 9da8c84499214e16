_base_ = ["../_base_/aggregation_mask_rcnn_r50_fpn_lvis.py", "../_base_/necks/mssa.py"]
