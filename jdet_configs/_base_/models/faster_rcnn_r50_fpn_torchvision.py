# The same function as torchvision's fasterrcnn_resnet50_fpn, for its converted weights. It differs from mmdet's in anchors
# with integer coordinates, RoI Align (2 samples per bin, no half-pixel shift) and, for the published weights, the epsilon of
# norms: these weights need model.backbone.norm_eps=0.0, and num_classes=90 (or `jsra convert --classes coco80`). One
# difference stays: boxes narrower than 16/1000 of their anchor, which trained weights do not give, are widened, as in mmdet.
_base_ = "faster_rcnn_r50_fpn.py"
model = dict(
    rpn=dict(anchor_generator=dict(round_sides=True), train_proposals=dict(max_per_img=2000)),
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(sampling_ratio=2, aligned=False)),
            sampler=dict(num=512),
        )
    ),
)
