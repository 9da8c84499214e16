_base_ = ["../_base_/fgfa_foda_lite0_fpn.py", "../_base_/extractors/sra.py"]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=64)))))
parameter_groups_generator = dict(
    type="ParameterGroups",
    rules=[dict(match="backbone.", lr_mult=0.1), dict(match="roi_layer.fc2", lr_mult=0.1)],
)
