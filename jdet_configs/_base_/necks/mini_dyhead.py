# Two blocks of DyHead after the mini preset's FPN.
model = dict(
    neck=dict(
        _cover_=True,
        type="DyHead",
        neck=dict(type="FPN", in_channels=[32, 64, 128, 256], out_channels=64, num_outs=5),
        channels=64,
        num_blocks=2,
    )
)
