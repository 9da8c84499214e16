import jittor as jt
import numpy as np
import pytest

from jsra.data.mask_windows import windows_of_boxes
from jsra.ops import paste_masks
from jsra.ops.reference.paste_masks import paste_masks as reference
from jsra.ops.reference.paste_masks import paste_values
from tests.ops.tester import Case, OperatorTester


class TestPasteMasks(OperatorTester):
    op = staticmethod(paste_masks)
    reference = staticmethod(reference)
    vectors = "paste_masks.npz"
    tolerance = 0

    def cases(self, rng):
        corners = rng.uniform(-10, 70, (9, 2, 2))
        boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32)
        boxes[0] = [3.2, 4.1, 3.6, 4.9]  # within a pixel
        boxes[1] = [0, 0, 60, 40]
        boxes[2] = [70, 5, 80, 9]  # outside
        places, total = windows_of_boxes(boxes, (60, 40))
        masks = no_ties(rng, boxes, places, (0.5, 0.3))
        return [
            Case("some", (masks, boxes, places, total), grad=()),
            Case("a lower threshold", (masks, boxes, places, total), dict(threshold=0.3), grad=()),
            Case("none", (masks[:0], boxes[:0], places[:0], 0), grad=()),
        ]


def no_ties(rng, boxes, places, thresholds):
    """Random masks that have no pixel so near a threshold that rounding would decide."""
    while True:
        masks = rng.uniform(0, 1, (len(boxes), 7, 7)).astype(np.float32)
        values = np.concatenate([v.ravel() for v in paste_values(masks, boxes, places)])
        if min(np.abs(values - threshold).min() for threshold in thresholds) > 1e-5:
            return masks


def test_by_hand():
    """A mask of 2 x 2 in a box of 4 x 4 pixels at (1, 1): its cells' centres lie between pixels. By columns of the window."""
    boxes = np.float32([[1, 1, 5, 5]])
    places, total = windows_of_boxes(boxes, (9, 9))
    assert places.tolist() == [[0, 1, 1, 4, 4]] and total == 16
    found = paste_masks(jt.array(np.float32([[[1, 0], [1, 1]]])), jt.array(boxes), jt.array(places), total).numpy()
    # Along an axis the pixels are at -1/4, 1/4, 3/4 and 5/4 cells: 3/4 of the outermost, the rest of the zeros around them.
    assert found.reshape(4, 4).T.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]


def test_bad_arguments():
    masks, boxes, places = jt.zeros((2, 7, 7)), jt.zeros((2, 4)), jt.zeros((2, 5), "int32")
    with pytest.raises(ValueError, match="masks: expected squares, a box and a place for each"):
        paste_masks(masks, boxes[:1], places, 0)
    with pytest.raises(ValueError, match="masks: expected squares"):
        paste_masks(masks[:, :3], boxes, places, 0)
