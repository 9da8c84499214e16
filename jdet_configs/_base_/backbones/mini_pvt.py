# A PVTv2 with three quarters of the width of B0 instead of the mini preset's ResNet.
model = dict(
    backbone=dict(_cover_=True, type="PVTv2", variant="b0", width=24),
    neck=dict(in_channels=[24, 48, 120, 192]),
)
