_base_ = ["../_base_/real.py", "../_base_/extractors/adaptive_roi_align.py"]
