# Table 4 (c): offsets from the width and height of the box.
_base_ = "aligndet_r50_fpn_3x3_4conv.py"
model = dict(adm=dict(align=dict(type="AnchorGuidedConv")))
