# FGFA on faster_rcnn_r50_dc5, with the settings of mmtracking's fgfa_faster_rcnn_r50_dc5.
_base_ = "faster_rcnn_r50_dc5.py"
model = dict(
    type="FGFA",
    motion=dict(type="FlowNetS", scale=0.5),
    aggregator=dict(type="EmbedAggregator", channels=512, num_convs=1, kernel_size=3),
    window=[15, 15],
    scaled_grid=True,
)
