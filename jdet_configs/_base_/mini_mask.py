# Mask R-CNN in the mini preset: mini.py for boxes; the mask head has two convolutions with a quarter of the usual width.
_base_ = ["models/mask_rcnn_r50_fpn.py", "mini.py"]
model = dict(
    type="MaskRCNN",
    roi_head=dict(
        box=dict(assigner=dict(match_low_quality=True)),
        branches=dict(
            mask=dict(
                extractor=dict(out_channels=64),
                head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=6),
            )
        ),
    ),
)
dataset = dict(train=dict(with_masks=True))
evaluator = [dict(type="COCOBoxAP"), dict(type="COCOMaskAP")]
