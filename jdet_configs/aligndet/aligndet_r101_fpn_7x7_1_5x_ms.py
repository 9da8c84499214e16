_base_ = ["aligndet_r101_fpn_7x7.py", "../_base_/aligndet_1_5x_ms.py"]
