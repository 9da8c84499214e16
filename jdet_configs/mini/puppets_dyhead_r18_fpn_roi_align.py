_base_ = ["../_base_/mini.py", "../_base_/necks/mini_dyhead.py", "../_base_/extractors/roi_align.py"]
