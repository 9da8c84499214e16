# AlignDet's recipe (its section 5.1): 90,000 iterations with 16 images (12 epochs of COCO), learning rate 0.01; all norms of
# the backbone are frozen, including their weights.
_base_ = ["coco_detection.py", "schedule_1x.py"]
optimizer = dict(lr=0.01)
parameter_groups_generator = dict(
    type="ParameterGroups",
    rules=[dict(match=".bn", lr_mult=0.0, decay_mult=0.0), dict(match="downsample.1", lr_mult=0.0, decay_mult=0.0)],
)
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
