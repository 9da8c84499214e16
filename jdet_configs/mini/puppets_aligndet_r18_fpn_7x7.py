# AlignDet as published: RoIConv 7x7 with 1024 channels, a 1x1 convolution (tables 3 and 6).
_base_ = "../_base_/mini_aligndet.py"
