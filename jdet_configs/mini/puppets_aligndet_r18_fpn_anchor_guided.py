# Table 4 (c): offsets from the width and height of the box.
_base_ = "puppets_aligndet_r18_fpn_3x3_4conv.py"
model = dict(adm=dict(align=dict(type="AnchorGuidedConv")))
