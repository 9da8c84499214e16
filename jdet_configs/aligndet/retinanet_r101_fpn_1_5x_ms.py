_base_ = ["retinanet_r101_fpn.py", "../_base_/aligndet_1_5x_ms.py"]
