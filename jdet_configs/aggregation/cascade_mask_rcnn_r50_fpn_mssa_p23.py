_base_ = ["../_base_/aggregation_cascade_mask_rcnn_r50_fpn.py", "../_base_/necks/mssa_p23.py"]
