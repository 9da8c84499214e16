# Table 4 (a): an ordinary convolution.
_base_ = "puppets_aligndet_r18_fpn_3x3_4conv.py"
model = dict(adm=dict(align=dict(type="PlainConv")))
