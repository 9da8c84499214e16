_base_ = "../_base_/foda_r18_fpn.py"
