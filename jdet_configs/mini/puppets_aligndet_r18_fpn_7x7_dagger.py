# Table 6, 7x7-dagger: RoIConv 3x3 on P3, where most positions are.
_base_ = "../_base_/mini_aligndet.py"
model = dict(adm=dict(align_finest=dict(type="RoIConv", in_channels=64, out_channels=128, kernel_size=3)))
