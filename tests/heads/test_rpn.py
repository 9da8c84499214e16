"""The RPN's losses by hand, on one level of 1 x 2 positions with one anchor of 8 x 8 each."""

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.anchors import AnchorGenerator
from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.matcher import MaxIoUAssigner
from jsra.boxes.sampler import RandomSampler
from jsra.heads.rpn import RPNHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from jsra.losses.l1 import L1Loss
from tests.heads.parts import targets


@pytest.fixture
def rpn():
    head = RPNHead(
        AnchorGenerator(strides=[8], scales=[1], ratios=[1.0], center_offset=0.5), DeltaXYWHBBoxCoder(),
        MaxIoUAssigner(0.7, 0.3, 0.3), RandomSampler(num=4, pos_fraction=0.5), CrossEntropyLoss(use_sigmoid=True), L1Loss(),
        in_channels=1, feat_channels=1,
    )  # fmt: skip
    head.forward_levels = lambda feats: ([head.logits], [head.deltas])
    return head


def test_losses(rpn):
    """Two images with anchors at 0 and 8. The first one's object is the anchor at 8 moved by 2 (IoU 0.6, its best): one
    positive and one negative. The second image has no object and is 8 pixels wide: one negative, the other anchor lies
    outside. Denominator: (1 + 1) + (1 + 1), where a kind that is missing counts as one."""
    logits = np.float32([[[[1.0, 2.0]]], [[[0.5, 7.0]]]])
    rpn.logits, rpn.deltas = jt.array(logits), jt.zeros((2, 4, 1, 2))
    batch = targets([[10, 0, 18, 8]], [])
    batch.pad_sizes = jt.array(np.int32([[16, 8], [8, 8]]))
    proposals, losses = rpn([jt.zeros((2, 1, 1, 2))], batch)
    assert list(proposals.boxes.shape) == [2, 2, 4]
    cost = np.log1p(np.exp(1.0)) + np.log1p(np.exp(-2.0)) + np.log1p(np.exp(0.5))
    assert losses["loss_rpn_cls"].item() == pytest.approx(cost / 4, rel=1e-5)
    assert losses["loss_rpn_box"].item() == pytest.approx(2 / 8 / 4, rel=1e-5)  # dx alone
    gradient = jt.grad(losses["loss_rpn_cls"], rpn.logits).numpy()
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = np.float32([[[[1, 1]]], [[[1, 0]]]]) * (sigmoid - np.float32([[[[0, 1]]], [[[0, 0]]]])) / 4
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)
    moved = jt.grad(losses["loss_rpn_box"], rpn.deltas).numpy()
    assert moved[0, 0, 0, 1] == pytest.approx(-1 / 4) and (moved[0, :, 0, 0] == 0).all() and (moved[1] == 0).all()


def test_images_without_objects(rpn):
    rpn.logits, rpn.deltas = jt.zeros((1, 1, 1, 2)), jt.zeros((1, 4, 1, 2))
    _, losses = rpn([jt.zeros((1, 1, 1, 2))], targets([]))
    assert losses["loss_rpn_box"].item() == 0
    assert losses["loss_rpn_cls"].item() == pytest.approx(2 * np.log(2) / 3, rel=1e-5)  # 2 negatives, and 1 for no positive


@pytest.mark.parametrize("size, border, trained", [((17, 9), 0, 2), ((16, 9), 0, 1), ((15, 9), 2, 2), ((15, 8), 0, 0)])
def test_anchors_that_reach_beyond_the_image_do_not_train(rpn, size, border, trained):
    """The anchors end at 8 and at 16 pixels from the left, both at 8 from above. mmdet asks for less, not for as much."""
    rpn.allowed_border = border
    rpn.logits, rpn.deltas = jt.zeros((1, 1, 1, 2)), jt.zeros((1, 4, 1, 2))
    batch = targets([], size=size)
    batch.pad_sizes = jt.array(np.int32([[32, 32]]))
    _, losses = rpn([jt.zeros((1, 1, 1, 2))], batch)
    assert losses["loss_rpn_cls"].item() == pytest.approx(trained * np.log(2) / (1 + max(1, trained)), rel=1e-5)
