# Table 6: Swin-T. The text gives it no recipe of its own; norms and position tables do not decay, as in Swin's.
_base_ = "../_base_/aggregation_cascade_mask_rcnn_r50_fpn.py"
model = dict(
    backbone=dict(
        _cover_=True,
        type="SwinTransformer",
        embed_dims=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        drop_path_rate=0.2,
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
pretrained_weights = "data/weights/swin_tiny_patch4_window7_224.pth"
parameter_groups_generator = dict(type="ParameterGroups", no_decay=["relative_position_bias_table", "norm"])
