# mmtracking's fgfa_faster_rcnn_r50_dc5_1x_imagenetvid: 7 epochs with 8 images per step, on 8 processes with one image each.
_base_ = ["models/fgfa_faster_rcnn_r50_dc5.py", "imagenet_vid.py"]
optimizer = dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001, grad_clip=dict(max_norm=35))
scheduler = dict(type="StepLR", milestones=[2, 5], gamma=0.1, warmup="linear", warmup_iters=500, warmup_ratio=1 / 3)
scale_lr_base_batch = 8
max_epoch = 7
eval_interval = 7
checkpoint_interval = 1
log_interval = 50
pretrained_weights = ["data/weights/resnet50-0676ba61.pth", "data/weights/flownet_simple.pth"]
