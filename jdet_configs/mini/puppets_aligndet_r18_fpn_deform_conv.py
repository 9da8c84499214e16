# Table 4 (b): a deformable convolution.
_base_ = "puppets_aligndet_r18_fpn_3x3_4conv.py"
model = dict(adm=dict(align=dict(type="LearnedOffsetConv")))
