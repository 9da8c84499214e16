# foda_lite0_fpn.py with FGFA, without a flow network, because there are no pretrained weights for it. Objects move by a third
# of their size between two frames, so only the two nearest frames on each side are used.
_base_ = "foda_lite0_fpn.py"
model = dict(
    type="FGFA",
    motion=dict(type="FlowNetS", base_channels=8),
    aggregator=dict(type="EmbedAggregator", channels=64),
    window=[2, 2],
)
dataset = dict(train=dict(references=dict(num=2, frame_range=2)))
