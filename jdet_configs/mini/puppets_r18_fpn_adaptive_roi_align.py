_base_ = ["../_base_/mini.py", "../_base_/extractors/adaptive_roi_align.py"]
