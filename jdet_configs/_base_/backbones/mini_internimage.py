# A tiny InternImage instead of the mini preset's ResNet.
model = dict(
    backbone=dict(
        _cover_=True,
        type="InternImage",
        channels=32,
        depths=[1, 1, 2, 1],
        groups=[2, 4, 8, 16],
        mlp_ratio=2,
        drop_path_rate=0.1,
    )
)
