# ImageNet VID and the images of DET with its 30 classes, as in mmtracking's imagenet_vid_fgfa_style: 1000 x 600, one image
# per process, two other frames at most 9 frames away from the key frame.
# The two files of FGFA's authors must be in ILSVRC/ImageSets (docs/video.md); `jsra data vid` writes the annotations as one
# file.
_normalize = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
_test = dict(
    type="VIDDataset",
    root="data/ILSVRC",
    anno_file="data/ILSVRC/imagenet_vid_val.json",
    transforms=[
        dict(type="Resize", min_size=600, max_size=1000),
        _normalize,
        dict(type="Pad", size_divisor=16),
    ],
    batch_size=1,
    num_workers=4,
    filter_empty_gt=False,
)
dataset = dict(
    train=dict(
        type="VIDDataset",
        root="data/ILSVRC",
        anno_file="data/ILSVRC/imagenet_vid_det_train.json",
        transforms=[
            dict(type="Resize", min_size=600, max_size=1000),
            dict(type="RandomFlip", prob=0.5),
            _normalize,
            dict(type="Pad", size_divisor=16),
        ],
        batch_size=8,
        num_workers=4,
        shuffle=True,
        key_frames=True,
        references=dict(num=2, frame_range=9, method="bilateral_uniform"),
    ),
    val=_test,
    test=_test,
)
evaluator = [dict(type="VIDBoxAP"), dict(type="MotionAP")]
del _normalize, _test
