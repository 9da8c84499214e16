_base_ = ["../_base_/mini_swin.py", "../_base_/extractors/roi_align.py"]
