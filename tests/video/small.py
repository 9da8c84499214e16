"""A small FGFA, and videos of noise."""

import jittor as jt
import numpy as np

from jsra.detectors.fgfa import FGFA
from jsra.registry import build

SIDE = 64
CODER = dict(type="DeltaXYWHBBoxCoder", stds=[0.2] * 4)
MODEL = dict(
    type="FGFA",
    backbone=dict(type="ResNet", depth=18, base_channels=8, out_indices=[2, 3], strides=[1, 2, 2, 1], dilations=[1, 1, 1, 2]),
    neck=dict(type="ChannelMapper", in_channels=[32, 64], out_channels=16),
    motion=dict(type="FlowNetS", base_channels=4),
    aggregator=dict(type="EmbedAggregator", channels=16),
    rpn=dict(
        type="RPNHead", in_channels=16, feat_channels=16,
        anchor_generator=dict(type="AnchorGenerator", scales=[1, 2], ratios=[1.0], strides=[16, 16]),
        box_coder=CODER,
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True),
        sampler=dict(type="RandomSampler", num=32, pos_fraction=0.5),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True), loss_box=dict(type="L1Loss"),
        train_proposals=dict(type="ProposalSelector", nms_pre=40, max_per_img=20),
        test_proposals=dict(type="ProposalSelector", nms_pre=40, max_per_img=10),
    ),
    roi_head=dict(type="RoIHead", box=dict(
        type="BoxBranch",
        extractor=dict(type="FPNRoIExtractor", out_channels=16, featmap_strides=[16],
                       roi_layer=dict(type="RoIAlign", output_size=3, sampling_ratio=2, aligned=True)),
        head=dict(type="Shared2FCBBoxHead", in_channels=16, roi_feat_size=3, fc_out_channels=32, num_classes=3,
                  box_coder=CODER, loss_cls=dict(type="CrossEntropyLoss"), loss_box=dict(type="L1Loss")),
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False),
        sampler=dict(type="RandomSampler", num=16, pos_fraction=0.25, add_gt_as_proposals=True),
        test=dict(type="DetectionSelector", score_thr=0.01, max_per_img=5),
    )),
)  # fmt: skip


def build_fgfa(**settings) -> FGFA:
    """MODEL with flows that are not zero."""
    model = build({**MODEL, **settings}, "model")
    if model.motion is not None:
        weight = model.motion.predict_flow.weight
        weight.update(jt.init.gauss(weight.shape, "float32", 0, 0.2))
    return model


def video(rng, count, name=0):
    """Frames [count, 3, SIDE, SIDE] and their targets."""
    images = rng.normal(0, 1, (count, 3, SIDE, SIDE)).astype(np.float32)
    return images, [{"img_id": f"v{name}/{i}", "video_id": name, "img_size": (SIDE, SIDE - 4)} for i in range(count)]
