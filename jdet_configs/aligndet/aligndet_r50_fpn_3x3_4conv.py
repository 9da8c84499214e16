# Tables 4 to 6: RoIConv 3x3 and convolutions 3x3, with the width of the FPN.
_base_ = ["../_base_/models/aligndet_small.py", "../_base_/aligndet_1x_coco.py"]
