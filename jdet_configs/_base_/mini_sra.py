# SRA in the mini preset. The last layer of the masks learns at a tenth of the rate: a step of AdamW has the same size for
# every weight, and gamma multiplies its effect: the masks shrink to few positions (docs/mini.md).
_base_ = "mini.py"
parameter_groups_generator = dict(type="ParameterGroups", rules=[dict(match="roi_layer.fc2", lr_mult=0.1)])
