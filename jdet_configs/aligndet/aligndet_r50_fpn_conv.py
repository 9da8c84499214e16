# Table 4 (a): an ordinary convolution.
_base_ = "aligndet_r50_fpn_3x3_4conv.py"
model = dict(adm=dict(align=dict(type="PlainConv")))
