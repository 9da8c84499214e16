# BCCD at 320 pixels, from scratch on the CPU.
_base_ = ["small_r18_fpn.py", "bccd.py"]
model = dict(roi_head=dict(box=dict(head=dict(num_classes=3))))
scheduler = dict(type="StepLR", milestones=[19, 23], warmup="linear", warmup_iters=100, warmup_ratio=0.01)
max_epoch = 24
eval_interval = 12
checkpoint_interval = 5
