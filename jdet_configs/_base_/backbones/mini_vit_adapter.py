# A tiny ViT-Adapter instead of the mini preset's ResNet; its table of positions has the size for the preset's images.
model = dict(
    backbone=dict(
        _cover_=True,
        type="ViTAdapter",
        embed_dim=64,
        depth=4,
        num_heads=2,
        mlp_ratio=2,
        window_blocks=[0, 2],
        window_size=5,
        pretrain_size=160,
        conv_inplane=32,
        deform_num_heads=4,
        interaction_indexes=[[0, 1], [2, 3]],
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=[64, 64, 64, 64]),
)
