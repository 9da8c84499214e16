# DyHead between the FPN and both heads of Faster R-CNN, after microsoft/DynamicHead's dyhead_r50_rcnn_fpn_1x and the defaults
# of detectron2: 90,000 steps of 16 images (12 epochs), warm-up of 1000 steps, norms without weight decay. Differences: the
# ResNet-50 and the normalisation of images are torchvision's, not MSRA's; the rate falls after 8 and 11 of 12 epochs
# (detectron2: after 60,000 and 80,000 of 90,000 steps, which is 8.2 and 10.9 of 12.3 epochs).
_base_ = ["models/faster_rcnn_r50_fpn.py", "coco_detection.py", "schedule_1x.py"]
model = dict(
    neck=dict(
        _cover_=True,
        type="DyHead",
        neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
        channels=256,
        num_blocks=6,
        zero_init_offset=False,
        conv_bias=True,
    )
)
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
parameter_groups_generator = dict(type="ParameterGroups", no_decay=["norm", "bn"])
scheduler = dict(warmup_iters=1000)
