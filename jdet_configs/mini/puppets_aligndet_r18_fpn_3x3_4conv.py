# Tables 4 to 6: RoIConv 3x3 and convolutions 3x3, with the width of the FPN.
_base_ = "../_base_/mini_aligndet.py"
model = dict(adm=dict(align=dict(out_channels=64, kernel_size=3), num_convs=2, conv_kernel=3))
