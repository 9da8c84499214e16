# Table 6: RoIConv 3x3.
_base_ = "../_base_/mini_aligndet.py"
model = dict(adm=dict(align=dict(kernel_size=3)))
