# A PVTv2 of three quarters of the B0's width in the place of the mini preset's ResNet.
model = dict(
    backbone=dict(_cover_=True, type="PVTv2", variant="b0", width=24),
    neck=dict(in_channels=[24, 48, 120, 192]),
)
