_base_ = ["../_base_/mini_mask.py", "../_base_/necks/mssa_single_scale.py"]
