_base_ = "../_base_/fgfa_foda_lite0_fpn.py"
