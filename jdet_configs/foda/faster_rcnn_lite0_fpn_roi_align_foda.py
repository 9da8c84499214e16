_base_ = "../_base_/foda_lite0_fpn.py"
