# SRA in the preset 'real'. The last layer of the masks has a tenth of the learning rate, as in mini_sra.py.
_base_ = "real.py"
parameter_groups_generator = dict(type="ParameterGroups", rules=[dict(match="roi_layer.fc2", lr_mult=0.1)])
