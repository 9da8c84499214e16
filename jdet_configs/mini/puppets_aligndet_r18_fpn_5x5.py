# Table 6: RoIConv 5x5.
_base_ = "../_base_/mini_aligndet.py"
model = dict(adm=dict(align=dict(kernel_size=5)))
