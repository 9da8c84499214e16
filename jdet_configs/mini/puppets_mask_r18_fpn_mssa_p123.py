_base_ = ["../_base_/mini_mask.py", "../_base_/necks/mssa_p123.py"]
