import jittor as jt
import numpy as np
import pytest

from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.structures import Samples
from jsra.heads.box_head import Shared2FCBBoxHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from jsra.losses.l1 import L1Loss


def make(use_sigmoid=False, **kwargs):
    settings = dict(num_classes=3, in_channels=2, roi_feat_size=2, fc_out_channels=4)
    loss = CrossEntropyLoss(use_sigmoid)
    return Shared2FCBBoxHead(DeltaXYWHBBoxCoder(), loss, L1Loss(), **{**settings, **kwargs})


def samples(label=2):
    """One image, three rows: a positive of a class, whose object is 10 pixels right of its 20 x 20, so that dx = 0.5; a
    negative; nothing."""
    boxes = np.float32([[[0, 0, 20, 20], [50, 50, 60, 60], [0, 0, 0, 0]]])
    positive = np.int32([[label > 0, 0, 0]])
    return Samples(
        boxes=jt.array(boxes),
        index=jt.array(np.int32([[0, 1, -1]])),
        is_gt=jt.array(0 * positive),
        gt_index=jt.array(positive - 1),
        gt_boxes=jt.array(np.float32([[[10, 0, 30, 20]]]) * positive[:, :, None].astype(np.float32)),
        labels=jt.array(positive * label),
        weights=jt.array(np.float32([[1, 1, 0]])),
        iou=jt.array(np.float32([[0.5, 0, 0]])),
        num_pos=jt.array(positive.sum(1).astype(np.int32)),
        count=jt.array(np.int32([2])),
        max_pos=1,
    )


@pytest.mark.parametrize("agnostic, columns", [(False, range(4, 8)), (True, range(4))])
def test_losses_read_the_columns_of_the_class(agnostic, columns):
    """Class 2 has columns 4 to 7 of the deltas; both losses are divided by the two samples."""
    logits = jt.zeros((3, 4))
    deltas = jt.zeros((3, 4 if agnostic else 12))
    losses = make(reg_class_agnostic=agnostic).losses(logits, deltas, samples())
    assert losses["loss_cls"].item() == pytest.approx(np.log(4), rel=1e-6)
    assert losses["loss_box"].item() == pytest.approx(0.5 / 2)
    gradient = jt.grad(losses["loss_box"], deltas).numpy()
    touched = np.zeros_like(gradient, bool)
    touched[0, list(columns)] = True
    assert (gradient[~touched] == 0).all() and gradient[0, columns[0]] == -0.5


def test_losses_without_positives():
    losses = make().losses(jt.zeros((3, 4)), jt.zeros((3, 12)), samples(label=0))
    assert losses["loss_cls"].item() == pytest.approx(np.log(4), rel=1e-6) and losses["loss_box"].item() == 0


def test_the_loss_says_what_the_logits_are():
    """A sigmoid has no column for the background: three decisions a sample, each worth ln 2."""
    logits = jt.array(np.log(np.float32([[2, 1, 1, 4]])))
    np.testing.assert_allclose(make().scores(logits).numpy(), [[1 / 8, 1 / 8, 4 / 8]], rtol=1e-5)
    head = make(use_sigmoid=True)
    assert [x.shape for x in head(jt.zeros((5, 2, 2, 2)))] == [[5, 3], [5, 12]]
    np.testing.assert_allclose(head.scores(logits[:, 1:]).numpy(), [[1 / 2, 1 / 2, 4 / 5]], rtol=1e-5)
    losses = head.losses(jt.zeros((3, 3)), jt.zeros((3, 12)), samples())
    assert losses["loss_cls"].item() == pytest.approx(3 * np.log(2), rel=1e-5)


def test_boxes_of_each_class_are_clipped():
    """Class 2 moves by half its width, x from 10 to 30, cut at 25."""
    deltas = np.zeros((1, 12), np.float32)
    deltas[0, 4] = 0.5
    references, sizes = jt.array(np.float32([[[0, 0, 20, 20]]])), jt.array(np.float32([[25, 40]]))
    boxes = make().boxes(jt.array(deltas), references, sizes).numpy()
    np.testing.assert_allclose(boxes, [[[[0, 0, 20, 20], [10, 0, 25, 20], [0, 0, 20, 20]]]], atol=1e-5)
    one = make(reg_class_agnostic=True).boxes(jt.array(deltas[:, 4:8]), references, sizes).numpy()
    np.testing.assert_allclose(one, [[[10, 0, 25, 20]]], atol=1e-5)


def test_refined_boxes_follow_the_label_or_the_likeliest_class():
    """Of label 2 by its deltas, of the background by those of class 3, the likeliest after the background itself."""
    logits = jt.array(np.float32([[9, 0, 0, 1], [9, 0, 0, 1]]))
    deltas = np.zeros((2, 12), np.float32)
    deltas[:, 4], deltas[:, 8] = 0.5, 1.0
    references = jt.array(np.float32([[[0, 0, 20, 20], [0, 0, 20, 20]]]))
    sizes, labels = jt.array(np.float32([[100, 100]])), jt.array(np.int32([[2, 0]]))
    refined = make().refined(logits, jt.array(deltas), references, labels, sizes).numpy()
    np.testing.assert_allclose(refined, [[[10, 0, 30, 20], [20, 0, 40, 20]]], atol=1e-5)


def test_a_wrong_size_is_explained():
    with pytest.raises(ValueError, match=r"have 18 numbers per RoI.*make 8; set roi_feat_size"):
        make()(jt.zeros((1, 2, 3, 3)))
    assert [x.shape for x in make()(jt.zeros((5, 2, 4)))] == [[5, 4], [5, 12]]  # [K, C, N]: as many numbers
