import jittor as jt
import numpy as np
import pytest

from jsra.ops import batched_nms, multiclass_nms
from jsra.ops.reference.multiclass_nms import multiclass_nms as reference
from tests.ops.test_encode_boxes import random_boxes
from tests.ops.tester import Case, OperatorTester


class TestMulticlassNMS(OperatorTester):
    op = staticmethod(multiclass_nms)
    reference = staticmethod(reference)
    tolerance = 0

    def cases(self, rng):
        # Whole boxes: moving them to a place of their own rounds nothing.
        boxes, of_classes = np.round(random_boxes(rng, 2, 40)), np.round(random_boxes(rng, 2, 40, 3))
        scores = rng.uniform(0, 1, (2, 40, 3)).astype(np.float32)
        count = np.array([40, 25], np.int32)
        ties = np.round(scores * 4) / 4
        bad, unsure = of_classes.copy(), np.where(scores > 0.8, np.nan, scores)
        bad[0, :5, 1] = np.nan
        bad[1, 3, 2, 3] = np.inf
        return [
            Case("boxes of classes", (of_classes, scores, count, 0.3, 0.5, 100), grad=()),
            Case("one box each", (boxes, scores, count, 0.05, 0.3, 20), grad=()),
            Case("equal scores, and some at the threshold", (of_classes, ties, count, 0.25, 0.4, 30), grad=()),
            Case("not finite", (bad, unsure, count, 0.1, 0.5, 50), grad=()),
            Case("nothing above the threshold", (boxes, scores, count, 1.0, 0.5, 5), grad=()),
            Case("an image without proposals", (boxes, scores, 0 * count, 0.1, 0.5, 5), grad=()),
            Case("no proposals", (boxes[:, :0], scores[:, :0], 0 * count, 0.1, 0.5, 5), grad=()),
        ]


def one_by_one(boxes, scores, score_thr, iou_thr, max_per_img):
    """The detections of one image by batched_nms, whose indices are torchvision's, of all pairs of row and class."""
    rows, classes = np.nonzero(scores > np.float32(score_thr))
    own, values = boxes[rows, classes], scores[rows, classes]
    groups = jt.array((classes + 1).astype(np.int32))
    keep = batched_nms(jt.array(own), jt.array(values), groups, iou_thr).numpy()[:max_per_img]
    return own[keep], values[keep], classes[keep] + 1, rows[keep]


@pytest.mark.parametrize("rows", [60, 600])
def test_rounds_as_batched_nms(rng, rows):
    """Of few pairs the classes are moved apart, of more than 1000 they are compared."""
    boxes = random_boxes(rng, 2, rows, 4).astype(np.float32)
    logits = rng.standard_normal((2, rows, 5)).astype(np.float32)
    scores = np.ascontiguousarray((np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True))[:, :, 1:])
    count = np.array([rows, rows - 7], np.int32)
    got = [v.numpy() for v in multiclass_nms(*(jt.array(v) for v in (boxes, scores, count)), 0.05, 0.5, 100)]
    assert ((scores[0] > 0.05).sum() > 1000) == (rows == 600)
    for b in range(2):
        expected = one_by_one(boxes[b, : count[b]], scores[b, : count[b]], 0.05, 0.5, 100)
        assert got[4][b] == len(expected[0])
        for value, wanted in zip(got, expected):
            assert np.array_equal(value[b, : len(wanted)], wanted)


def test_by_hand():
    """Two boxes overlap by 0.8: within class 1 the better stays; of class 2 only the second is above the threshold."""
    boxes = jt.array(np.float32([[[0, 0, 10, 10], [0, 0, 10, 8]]]))
    scores = jt.array(np.float32([[[0.9, 0.1], [0.8, 0.85]]]))
    found = multiclass_nms(boxes, scores, jt.array(np.int32([2])), 0.2, 0.5, 3)
    out_boxes, out_scores, labels, rows, count = (v.numpy()[0].tolist() for v in found)
    assert out_boxes == [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 0, 0]] and count == 2
    assert np.allclose(out_scores, [0.9, 0.85, 0]) and labels == [1, 2, 0] and rows == [0, 1, -1]


def test_bad_arguments():
    boxes, scores, count = jt.randn(2, 5, 4), jt.randn(2, 5, 3), jt.array(np.int32([5, 5]))
    with pytest.raises(ValueError, match=r"boxes: expected \[2, 5, 4\] or \[2, 5, 3, 4\]"):
        multiclass_nms(jt.randn(2, 5, 2, 4), scores, count, 0.1, 0.5, 10)
    with pytest.raises(ValueError, match=r"count: expected shape \[2\]"):
        multiclass_nms(boxes, scores, count[:1], 0.1, 0.5, 10)
    with pytest.raises(ValueError, match="iou_thr: expected 0 to 1"):
        multiclass_nms(boxes, scores, count, 0.1, 50, 10)
    with pytest.raises(ValueError, match="max_per_img: expected an integer of at least 1"):
        multiclass_nms(boxes, scores, count, 0.1, 0.5, 0)
