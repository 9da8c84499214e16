# AlignDet as published: RoIConv 7x7 with 1024 channels, a 1x1 convolution (tables 3 and 6).
_base_ = ["../_base_/models/aligndet_r50_fpn.py", "../_base_/aligndet_1x_coco.py"]
