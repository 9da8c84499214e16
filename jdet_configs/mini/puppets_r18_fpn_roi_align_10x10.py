_base_ = ["../_base_/mini.py", "../_base_/extractors/roi_align_10x10.py"]
