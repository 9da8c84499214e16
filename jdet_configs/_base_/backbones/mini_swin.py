# A tiny Swin instead of the mini preset's ResNet.
model = dict(
    backbone=dict(
        _cover_=True,
        type="SwinTransformer",
        embed_dims=32,
        depths=[2, 2, 2, 2],
        num_heads=[1, 2, 4, 8],
        window_size=5,
        mlp_ratio=2,
        drop_path_rate=0.1,
    )
)
