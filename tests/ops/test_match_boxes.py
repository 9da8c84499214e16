import jittor as jt
import numpy as np
import pytest

from jsra.ops import match_boxes
from jsra.ops.reference.match_boxes import match_boxes as reference
from tests.ops.tester import Case, OperatorTester

RPN = dict(pos_iou_thr=0.7, neg_iou_thr=(0.0, 0.3), min_pos_iou=0.3)
HEAD = dict(pos_iou_thr=0.5, neg_iou_thr=(0.0, 0.5), match_low_quality=False)


def random_boxes(rng, *shape, extent=60, whole=False):
    """Corners within `extent`, sides 5 to 40; whole numbers make ties."""
    first, sides = rng.uniform(0, extent, (*shape, 2)), rng.uniform(5, 40, (*shape, 2))
    boxes = np.concatenate([first, first + sides], axis=-1).astype(np.float32)
    return np.round(boxes) if whole else boxes


def padded(rng, counts, room, **settings):
    """Boxes [B, room, 4] of which counts [B] are real, zeros behind them."""
    boxes = random_boxes(rng, len(counts), room, **settings)
    for b, count in enumerate(counts):
        boxes[b, count:] = 0
    return boxes, np.array(counts, np.int32)


class TestMatchBoxes(OperatorTester):
    """Not one overlap may be rounded differently."""

    op = staticmethod(match_boxes)
    reference = staticmethod(reference)
    tolerance = 0

    def cases(self, rng):
        boxes, own = random_boxes(rng, 300, whole=True), random_boxes(rng, 3, 70)
        truths, some = padded(rng, [5, 0, 3], 5, whole=True), padded(rng, [2, 1, 0], 4)
        regions, count = padded(rng, [1, 2, 0], 2)
        valid = (rng.uniform(0, 1, (3, 70)) < 0.7).astype(np.int32)
        bad = own.copy()
        bad[0, :3] = np.float32([[np.nan], [np.inf], [-np.inf]])
        bad[1, 5] = bad[1, 5, [2, 3, 0, 1]]
        none = valid.copy()
        none[0] = 0
        rpn = (0.7, (0.0, 0.3), 0.3, True, True)
        return [
            Case("anchors", (boxes, *truths), RPN, grad=()),
            Case("the first of equal boxes", (boxes, *truths), dict(RPN, gt_max_assign_all=False), grad=()),
            Case("no smallest overlap", (boxes, *truths), dict(RPN, min_pos_iou=0.0, pos_iou_thr=0.99), grad=()),
            Case("proposals", (own, *some), HEAD, grad=()),
            Case("a band of background", (own, *truths), dict(HEAD, neg_iou_thr=(0.1, 0.4)), grad=()),
            Case("crowds and padding", (own, *some, *rpn, 0.5, regions, count, valid), grad=()),
            Case("boxes that are none", (bad, *truths), RPN, grad=()),
            Case(
                "an image without boxes",
                (own, *truths, 0.7, (0.0, 0.3), 0.0, True, True, -1.0, None, None, none),
                grad=(),
            ),
            Case("no boxes", (boxes[:0], *truths), RPN, grad=()),
        ]


def test_many_blocks(rng):
    """The kernel works block by block; the reference has the whole matrix of overlaps."""
    boxes = random_boxes(rng, 3000, extent=300, whole=True)
    truths, count = padded(rng, [9, 0], 9, extent=300, whole=True)
    regions, some = padded(rng, [3, 1], 3, extent=300)
    arrays = (boxes, truths, count), dict(ignored=regions, ignored_count=some)
    given = [jt.array(v) for v in arrays[0]], {k: jt.array(v) for k, v in arrays[1].items()}
    for settings in (RPN, HEAD, dict(RPN, gt_max_assign_all=False), dict(RPN, ignore_iof_thr=0.3, min_pos_iou=0.0)):
        got, expected = match_boxes(*given[0], **given[1], **settings), reference(*arrays[0], **arrays[1], **settings)
        assert np.array_equal(got[0].numpy(), expected[0]) and np.array_equal(got[1].numpy(), expected[1]), settings


def test_by_hand():
    """IoU with the 10 x 10 object: 1, 0.5 (half of it), 0.35, 0; the object claims its own best."""
    gt, one = jt.array(np.float32([[[0, 0, 10, 10], [0, 0, 0, 0]]])), jt.array(np.int32([1]))
    boxes = jt.array(np.float32([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 3.5, 10], [50, 50, 60, 60]]))
    matched, iou = match_boxes(boxes, gt, one, 0.7, (0.0, 0.4), 0.3)
    assert matched.numpy().tolist() == [[1, -1, 0, 0]]
    np.testing.assert_allclose(iou.numpy(), [[1, 0.5, 0.35, 0]], rtol=1e-6)
    matched, _ = match_boxes(boxes[1:], gt, one, 0.7, (0.0, 0.4), 0.3)
    assert matched.numpy().tolist() == [[1, 0, 0]]


def test_bad_arguments():
    boxes, gt, count = jt.randn(5, 4), jt.randn(2, 3, 4), jt.array(np.int32([1, 2]))
    with pytest.raises(ValueError, match=r"boxes: expected \[N, 4\] or \[2, N, 4\]"):
        match_boxes(jt.randn(3, 5, 4), gt, count, 0.5, (0, 0.5))
    with pytest.raises(ValueError, match=r"gt_count: expected shape \[2\]"):
        match_boxes(boxes, gt, count[:1], 0.5, (0, 0.5))
    with pytest.raises(ValueError, match="ignored and ignored_count"):
        match_boxes(boxes, gt, count, 0.5, (0, 0.5), ignored=gt)
    with pytest.raises(ValueError, match=r"valid: expected shape \[2, 5\]"):
        match_boxes(boxes, gt, count, 0.5, (0, 0.5), valid=jt.array(np.ones((2, 4), np.int32)))
