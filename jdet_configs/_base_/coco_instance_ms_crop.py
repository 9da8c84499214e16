# Masks and boxes of COCO with the image sizes of DETR's training: half of the images are resized to a short side of 480 to
# 800, the other half is resized, cropped, and resized again.
_base_ = "coco_instance.py"
_sizes = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
dataset = dict(
    train=dict(
        transforms=[
            dict(type="RandomFlip", prob=0.5),
            dict(
                type="RandomChoice",
                pipelines=[
                    [dict(type="Resize", min_size=_sizes, max_size=1333)],
                    [
                        # mmdet's scales (400, 1333), (500, 1333), (600, 1333)
                        dict(type="Resize", min_size=[400, 500, 600], max_size=1333),
                        dict(
                            type="RandomCrop", crop_size=[384, 600], crop_type="absolute_range", allow_negative_crop=True
                        ),
                        dict(type="Resize", min_size=_sizes, max_size=1333),
                    ],
                ],
            ),
            dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
            dict(type="Pad", size_divisor=32),
        ]
    )
)
del _sizes
