import jittor as jt
import numpy as np
import pytest

from jsra.ops import mask_targets
from jsra.ops.reference.mask_targets import mask_targets as reference
from tests.ops.tester import Case, OperatorTester

SIZE = (40, 60)


def windows(rng, count):
    """Random bitmaps in windows of an image of SIZE, one of them empty."""
    places, start = [], 0
    for i in range(count):
        left, top = rng.integers(0, SIZE[1] - 5), rng.integers(0, SIZE[0] - 5)
        width, height = (0, 0) if i == 1 else (rng.integers(1, SIZE[1] - left + 1), rng.integers(1, SIZE[0] - top + 1))
        places.append([start, left, top, width, height])
        start += width * height
    return (rng.uniform(0, 1, start) < 0.6).astype(np.uint8), np.array(places, np.int32)


class TestMaskTargets(OperatorTester):
    op = staticmethod(mask_targets)
    reference = staticmethod(reference)
    vectors = "mask_targets.npz"

    def cases(self, rng):
        bitmaps, places = windows(rng, 4)
        corners = rng.uniform(-5, 65, (12, 2, 2))
        boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32)
        boxes[0] = [0, 0, 60, 40]
        boxes[1] = [10, 10, 10, 20]  # no width
        boxes[2] = [30, 30, 20, 20]  # inverted
        boxes[3] = [20, 20, 20.4, 20.3]
        index = np.concatenate([[0, 0, 0, 0, 1, -1, 9], rng.integers(0, 4, 5)]).astype(np.int32)
        inputs = (bitmaps, places, boxes, index)
        return [
            Case("adaptive", (*inputs, SIZE, 7), grad=()),
            Case("legacy boxes, two samples", (*inputs, SIZE, 5), dict(sampling_ratio=2, aligned=False), grad=()),
            Case("a box for a bin", (*inputs, SIZE, 1), grad=()),
            Case("no boxes", (bitmaps, places, boxes[:0], index[:0], SIZE), grad=()),
            Case("no masks", (np.zeros(1, np.uint8), places[:0], boxes, index, SIZE, 7), grad=()),
        ]


def test_by_hand():
    """A mask of 2 x 4 pixels at (3, 2) in a box of 4 x 4 at (2, 2) of which each bin is a pixel."""
    bitmap = jt.array(np.uint8([1, 1, 1, 1, 1, 0, 0, 0]))  # the columns 3 and 4
    places = jt.array(np.int32([[0, 3, 2, 2, 4]]))
    boxes, index = jt.array(np.float32([[2, 2, 6, 6], [3.5, 2, 4.5, 3]])), jt.array(np.int32([0, 0]))
    found = mask_targets(bitmap, places, boxes, index, (9, 9), 4).numpy()
    assert found[0].tolist() == [[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    # Bins of a quarter, from the middle of column 3 to that of 4; the first two rows are at 1.625 and 1.875, row 1 is 0.
    np.testing.assert_allclose(found[1, :2], [[0.625] * 4, [0.875] * 4])


def test_halves_are_not_decided_by_rounding():
    """Bins of which the mask covers exactly a half, at places where float32 rounds both ways."""
    rng = np.random.default_rng(0)
    edge = rng.integers(100, 900, 50)
    places = np.stack([0 * edge, edge, 0 * edge, 0 * edge + 50, 0 * edge + 8], axis=1).astype(np.int32)
    boxes = np.stack([edge - 7.0, 0 * edge, edge + 7.0, 0 * edge + 4], axis=1).astype(np.float32)
    inputs = np.ones(400, np.uint8), places, boxes, np.arange(50, dtype=np.int32)
    assert (mask_targets(*(jt.array(a) for a in inputs), (8, 1000), 1).numpy() == 0.5).all()


def test_bad_arguments():
    bitmaps, places, boxes = jt.zeros((1,), "uint8"), jt.zeros((1, 5), "int32"), jt.zeros((2, 4))
    with pytest.raises(ValueError, match="index: expected one for each of the 2 boxes"):
        mask_targets(bitmaps, places, boxes, jt.zeros((3,), "int32"), (4, 4))
    with pytest.raises(ValueError, match="bitmaps: expected dtype uint8"):
        mask_targets(boxes.reshape(-1), places, boxes, jt.zeros((2,), "int32"), (4, 4))
    with pytest.raises(ValueError, match="output_size"):
        mask_targets(bitmaps, places, boxes, jt.zeros((2,), "int32"), (4, 4), 0)
    with pytest.raises(ValueError, match=r"output_size: targets are squares, got \(28, 14\)"):
        mask_targets(bitmaps, places, boxes, jt.zeros((2,), "int32"), (4, 4), (28, 14))
