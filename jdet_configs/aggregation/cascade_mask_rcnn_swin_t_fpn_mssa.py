_base_ = ["cascade_mask_rcnn_swin_t_fpn_sum.py", "../_base_/necks/mssa.py"]
