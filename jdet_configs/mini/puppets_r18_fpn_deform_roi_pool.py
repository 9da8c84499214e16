_base_ = ["../_base_/mini.py", "../_base_/extractors/deform_roi_pool.py"]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=64)))))
# The last layers of the branches have a hundredth of the learning rate, as in the authors' own code (msracver/
# Deformable-ConvNets, the layer 'offset'). At AdamW's full rate the masks go to zero and nothing is learned (docs/mini.md).
parameter_groups_generator = dict(
    type="ParameterGroups",
    rules=[dict(match="offset_fc.4", lr_mult=0.01), dict(match="mask_fc.2", lr_mult=0.01)],
)
