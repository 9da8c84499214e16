_base_ = ["../_base_/mini.py", "../_base_/extractors/precise_roi_align.py"]
