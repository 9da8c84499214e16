_base_ = ["../_base_/real.py", "../_base_/extractors/roi_pool.py"]
