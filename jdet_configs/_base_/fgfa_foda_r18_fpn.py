# foda_r18_fpn with FGFA: two other frames of the clip in training, all frames in testing; a narrow FlowNetS from scratch.
_base_ = "foda_r18_fpn.py"
model = dict(
    type="FGFA",
    motion=dict(type="FlowNetS", base_channels=8),
    aggregator=dict(type="EmbedAggregator", channels=64),
    window=[15, 15],
)
dataset = dict(train=dict(references=dict(num=2, frame_range=9)))
