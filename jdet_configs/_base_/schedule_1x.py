# mmdet's 1x schedule: 12 epochs of COCO, 16 images per step, learning rate 0.02, from ImageNet weights.
optimizer = dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=0.0001)
scheduler = dict(type="StepLR", milestones=[8, 11], gamma=0.1, warmup="linear", warmup_iters=500, warmup_ratio=0.001)
scale_lr_base_batch = 16
max_epoch = 12
eval_interval = 1
checkpoint_interval = 1
log_interval = 50
