_base_ = "../_base_/bccd_r18_fpn.py"
