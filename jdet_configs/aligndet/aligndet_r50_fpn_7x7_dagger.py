# Table 6, 7x7-dagger: RoIConv 3x3 on P3, where most positions are.
_base_ = ["../_base_/models/aligndet_r50_fpn.py", "../_base_/aligndet_1x_coco.py"]
model = dict(adm=dict(align_finest=dict(type="RoIConv", in_channels=256, out_channels=1024, kernel_size=3)))
