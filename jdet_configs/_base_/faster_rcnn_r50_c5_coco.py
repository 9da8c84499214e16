# Learning Region Features' recipe for Faster R-CNN: images of 600 x 1000, 16 epochs, learning rate 0.002 for four images, a
# tenth of it in the last third of the epochs.
_base_ = ["models/faster_rcnn_r50_c5.py", "coco_detection.py", "schedule_1x.py"]
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_test = dict(transforms=[dict(type="Resize", min_size=600, max_size=1000), _normalize, dict(type="Pad", size_divisor=32)])
dataset = dict(
    train=dict(
        transforms=[
            dict(type="Resize", min_size=600, max_size=1000),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=32),
        ],
        batch_size=4,
    ),
    val=_test,
    test=_test,
)
optimizer = dict(lr=0.002)
scheduler = dict(milestones=[11])
scale_lr_base_batch = 4
max_epoch = 16
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
del _normalize, _test
