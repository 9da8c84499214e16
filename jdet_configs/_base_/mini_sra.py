# SRA in the mini preset. The last layer of the masks has a tenth of the learning rate: steps of AdamW have the same size for
# all weights, and gamma multiplies their effect, so at the full rate the masks shrink to few positions (docs/mini.md).
_base_ = "mini.py"
parameter_groups_generator = dict(type="ParameterGroups", rules=[dict(match="roi_layer.fc2", lr_mult=0.1)])
