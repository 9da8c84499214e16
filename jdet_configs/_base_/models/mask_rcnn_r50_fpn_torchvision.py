# The same function as torchvision's maskrcnn_resnet50_fpn, for its converted weights: see faster_rcnn_r50_fpn_torchvision.py.
# Mask targets are the fraction of each pixel that the object covers, cropped without half-pixel centres.
_base_ = ["mask_rcnn_r50_fpn.py", "faster_rcnn_r50_fpn_torchvision.py"]
model = dict(
    type="MaskRCNN",
    roi_head=dict(
        box=dict(assigner=dict(match_low_quality=False)),
        branches=dict(
            mask=dict(
                extractor=dict(roi_layer=dict(sampling_ratio=2, aligned=False)),
                target_thr=None,
                target_aligned=False,
            )
        ),
    ),
)
