_base_ = ["../_base_/real.py", "../_base_/extractors/precise_roi_align.py"]
