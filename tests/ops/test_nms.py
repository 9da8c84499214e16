import jittor as jt
import numpy as np
import pytest

from jsra.ops import batched_nms, nms, nms_batch
from jsra.ops.reference import nms as reference
from tests.ops.tester import Case, OperatorTester


def random_boxes(rng, count, ties=False, extent=60):
    corners = rng.uniform(0, extent, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (count, 2))], axis=1).astype(np.float32)
    scores = rng.integers(0, 5, count) / 4 if ties else rng.uniform(0, 1, count)
    return boxes, scores.astype(np.float32)


class Identical(OperatorTester):
    """Indices: nothing to differentiate, and not one may differ."""

    tolerance = 0


class TestNMS(Identical):
    op = staticmethod(nms)
    reference = staticmethod(reference.nms)
    vectors = "nms.npz"

    def cases(self, rng):
        boxes, scores = random_boxes(rng, 40)
        boxes[3] = np.nan
        boxes[7, 2] = np.inf
        boxes[11] = boxes[11, [2, 3, 0, 1]]
        boxes[12, 2:] = boxes[12, :2]
        scores[20], scores[21] = np.nan, -np.inf
        return [
            Case("random", random_boxes(rng, 150), dict(iou_threshold=0.5), grad=()),
            Case("ties", random_boxes(rng, 100, ties=True), dict(iou_threshold=0.3), grad=()),
            Case("bad boxes and scores", (boxes, scores), dict(iou_threshold=0.4), grad=()),
            Case("threshold 0", random_boxes(rng, 30), dict(iou_threshold=0.0), grad=()),
            Case("no boxes", random_boxes(rng, 0), dict(iou_threshold=0.5), grad=()),
        ]


class TestBatchedNMS(Identical):
    op = staticmethod(batched_nms)
    reference = staticmethod(reference.batched_nms)
    vectors = "batched_nms.npz"

    def cases(self, rng):
        def case(count, groups, ties):
            boxes, scores = random_boxes(rng, count, ties)
            return Case(
                f"{count} boxes", (boxes, scores, rng.integers(0, groups, count)), dict(iou_threshold=0.5), grad=()
            )

        return [case(80, 4, True), case(70, 70, False), case(1, 1, False), case(0, 1, False)]


class TestNMSBatch(Identical):
    op = staticmethod(nms_batch)
    reference = staticmethod(reference.nms_batch)

    def cases(self, rng):
        def several(count, ties=False, extent=60):
            boxes, scores = zip(*(random_boxes(rng, count, ties, extent) for _ in range(3)))
            return np.stack(boxes), np.stack(scores)

        groups, valid = rng.integers(0, 4, (3, 70)), (rng.uniform(0, 1, (3, 70)) < 0.6).astype(np.int32)
        valid[1] = 0
        boxes, scores = several(70)
        bad = np.where(valid[..., None] > 0, boxes, np.nan).astype(np.float32), np.where(valid > 0, scores, np.nan)
        return [
            Case("groups of each image", (*several(70, ties=True), groups, valid, 0.5, 100), grad=()),
            Case("the first few", (boxes, scores, groups[0], None, 0.5, 10), grad=()),
            Case("one group", (boxes, scores, None, valid, 0.3, 70), grad=()),
            Case("what is not valid is not read", (*bad, groups, valid, 0.5, 70), grad=()),
            Case("no boxes", (boxes[:, :0], scores[:, :0], None, None, 0.5, 5), grad=()),
        ]


def test_by_hand():
    """Areas 16, 8, 4, nested: IoU 8/16 = 0.5, 4/16, 4/8 = 0.5. At the threshold a box stays; just below, it goes."""
    boxes = jt.array(np.array([[0, 0, 2, 2], [0, 0, 4, 4], [0, 0, 4, 2]], np.float32))
    scores = jt.array(np.array([0.1, 0.3, 0.2], np.float32))
    assert nms(boxes, scores, 0.5).numpy().tolist() == [1, 2, 0]
    assert nms(boxes, scores, 0.49).numpy().tolist() == [1, 0]


def test_every_pair_at_the_threshold_is_decided_as_float32_says(rng):
    """Boxes of whole sides have many overlaps of exactly 1/2, 2/3, ...: one wrongly rounded operation would show."""
    corners, sides = rng.integers(0, 6, (250, 2)), rng.integers(1, 7, (250, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32) / np.float32(3)
    scores = rng.uniform(0, 1, 250).astype(np.float32)
    for threshold in (1 / 3, 0.5, 2 / 3, 0.1, 0.7):
        got = nms(jt.array(boxes), jt.array(scores), threshold).numpy()
        assert np.array_equal(got, reference.nms(boxes, scores, threshold)), threshold


def test_many_boxes_group_by_group(rng):
    """Above 1000 boxes groups are compared, not moved apart."""
    boxes, scores = random_boxes(rng, 1300, extent=400)
    groups = rng.integers(0, 3, 1300).astype(np.int32)
    expected = reference.batched_nms(boxes, scores, groups, 0.5)
    boxes, scores, groups = jt.array(boxes), jt.array(scores), jt.array(groups)
    assert np.array_equal(batched_nms(boxes, scores, groups, 0.5).numpy(), expected)
    keep, count = nms_batch(boxes.unsqueeze(0), scores.unsqueeze(0), groups, None, 0.5, 20)
    assert np.array_equal(keep.numpy()[0], expected[:20]) and count.numpy().tolist() == [20]


def test_bad_arguments():
    boxes, scores = jt.randn(3, 4), jt.randn(3)
    with pytest.raises(ValueError, match="boxes: expected the last dimension to be 4"):
        nms(jt.randn(3, 5), scores, 0.5)
    with pytest.raises(ValueError, match=r"scores: expected shape \[3\]"):
        nms(boxes, jt.randn(2), 0.5)
    with pytest.raises(ValueError, match="iou_threshold: expected 0 to 1"):
        nms(boxes, scores, 50)
    with pytest.raises(ValueError, match="iou_threshold: expected 0 to 1, got '0.5'"):
        nms(boxes, scores, "0.5")
    with pytest.raises(ValueError, match="idxs: expected dtype int32"):
        batched_nms(boxes, scores, scores, 0.5)
    with pytest.raises(ValueError, match=r"groups: expected \[2, 3\] or \[3\]"):
        nms_batch(jt.randn(2, 3, 4), jt.randn(2, 3), jt.zeros((2,), dtype="int32"), None, 0.5, 5)
    with pytest.raises(ValueError, match="max_keep: expected an integer of at least 1"):
        nms_batch(jt.randn(2, 3, 4), jt.randn(2, 3), None, None, 0.5, 0)
