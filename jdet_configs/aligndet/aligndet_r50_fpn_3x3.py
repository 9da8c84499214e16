# Table 6: RoIConv 3x3.
_base_ = ["../_base_/models/aligndet_r50_fpn.py", "../_base_/aligndet_1x_coco.py"]
model = dict(adm=dict(align=dict(kernel_size=3)))
