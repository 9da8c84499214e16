import jittor as jt
import numpy as np
import pytest

from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.detections import DetectionSelector
from jsra.boxes.sampler import Samples
from jsra.heads.box_head import Shared2FCBBoxHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from jsra.losses.l1 import L1Loss


def make(**kwargs):
    settings = dict(num_classes=3, in_channels=2, roi_feat_size=2, fc_out_channels=4)
    return Shared2FCBBoxHead(DeltaXYWHBBoxCoder(), CrossEntropyLoss(), L1Loss(), **{**settings, **kwargs})


# One positive (the first), of class 2, 10 pixels right of its proposal of 20 x 20: dx = 0.5; one negative.
SAMPLES = Samples(np.float32([[0, 0, 20, 20], [50, 50, 60, 60]]), np.array([0]), np.array([0, 1]))
TARGET = dict(bboxes=np.float32([[10, 0, 30, 20]]), labels=np.int32([2]))


def test_targets():
    labels, deltas = make().targets(SAMPLES, TARGET)
    np.testing.assert_array_equal(labels, [2, 0])
    np.testing.assert_allclose(deltas, [[0.5, 0, 0, 0]], atol=1e-7)


@pytest.mark.parametrize("agnostic, columns", [(False, range(4, 8)), (True, range(4))])
def test_losses_read_the_columns_of_the_class(agnostic, columns):
    """Class 2 has columns 4 to 7 of the deltas; both losses are divided by the two samples."""
    logits = jt.zeros((2, 4))
    deltas = jt.zeros((2, 4 if agnostic else 12))
    losses = make(reg_class_agnostic=agnostic).losses(logits, deltas, [SAMPLES], [TARGET])
    assert float(losses["loss_cls"].item()) == pytest.approx(np.log(4), rel=1e-6)
    assert float(losses["loss_box"].item()) == pytest.approx(0.5 / 2)
    gradient = jt.grad(losses["loss_box"], deltas).numpy()
    touched = np.zeros_like(gradient, bool)
    touched[0, list(columns)] = True
    assert (gradient[~touched] == 0).all() and gradient[0, columns[0]] == -0.5


def test_images_without_positives():
    samples = Samples(SAMPLES.boxes, np.zeros(0, int), np.array([0, 1]))
    empty = dict(bboxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, np.int32))
    losses = make().losses(jt.zeros((2, 4)), jt.zeros((2, 12)), [samples], [empty])
    assert float(losses["loss_cls"].item()) == pytest.approx(np.log(4), rel=1e-6)
    assert float(losses["loss_box"].item()) == 0


def test_detections_are_clipped_to_the_input_and_returned_in_original_pixels():
    scores = np.float32([[0.1, 0.0, 0.9, 0.0]])
    deltas = np.zeros((1, 12), np.float32)
    deltas[0, 4] = 0.5  # class 2 moves by half its width
    proposals = np.float32([[0, 0, 20, 20]])
    boxes, values, labels, rows = make().detections(scores, deltas, proposals, (25, 40), (2, 3), DetectionSelector())
    np.testing.assert_allclose(boxes, [[20, 0, 50, 60]], atol=1e-5)  # x from 10 to 30, cut at 25; by 2 and 3
    np.testing.assert_allclose(values, [0.9])
    assert labels.tolist() == [2] and rows.tolist() == [0]


def test_a_wrong_size_is_explained():
    with pytest.raises(ValueError, match=r"have 18 numbers per RoI.*make 8; set roi_feat_size"):
        make()(jt.zeros((1, 2, 3, 3)))
    assert [x.shape for x in make()(jt.zeros((5, 2, 4)))] == [[5, 4], [5, 12]]  # [K, C, N]: as many numbers
