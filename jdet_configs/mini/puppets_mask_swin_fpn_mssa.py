_base_ = ["../_base_/mini_mask.py", "../_base_/backbones/mini_swin.py", "../_base_/necks/mssa.py"]
