_base_ = "../_base_/fgfa_foda_r18_fpn.py"
