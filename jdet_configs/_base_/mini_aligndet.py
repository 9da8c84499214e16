# The mini preset of AlignDet: a narrow backbone, pyramid and towers; RoIConv 7x7 with 128 channels.
_base_ = ["models/aligndet_r50_fpn.py", "mini_training.py"]
model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    dpm=dict(num_classes=6, in_channels=64, feat_channels=64, stacked_convs=2),
    adm=dict(num_classes=6, align=dict(in_channels=64, out_channels=128), test=dict(nms_pre=300)),
)
