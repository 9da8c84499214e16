_base_ = ["../_base_/mini.py", "../_base_/extractors/roi_pool.py"]
