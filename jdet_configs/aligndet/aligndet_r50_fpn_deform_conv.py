# Table 4 (b): a deformable convolution.
_base_ = "aligndet_r50_fpn_3x3_4conv.py"
model = dict(adm=dict(align=dict(type="LearnedOffsetConv")))
