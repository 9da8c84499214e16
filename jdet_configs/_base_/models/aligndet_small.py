# The ADM of tables 4 and 5: a RoIConv 3x3 with 256 channels and four convolutions 3x3.
_base_ = "aligndet_r50_fpn.py"
model = dict(adm=dict(align=dict(out_channels=256, kernel_size=3), num_convs=4, conv_kernel=3))
