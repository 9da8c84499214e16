# The mini preset of table 10: FGFA on clips of moving puppets, with a narrow FlowNetS from scratch.
_base_ = ["models/mini_r18_fpn.py", "puppets_video.py"]
model = dict(
    type="FGFA",
    motion=dict(type="FlowNetS", base_channels=8),
    aggregator=dict(type="EmbedAggregator", channels=64),
    window=[6, 6],
)
optimizer = dict(type="AdamW", lr=0.0005, weight_decay=0.05, grad_clip=dict(max_norm=10))
scheduler = dict(type="StepLR", milestones=[5, 7], warmup="linear", warmup_iters=75, warmup_ratio=0.01)
max_epoch = 8
eval_interval = None  # only at the end
checkpoint_interval = 2
log_interval = 25
