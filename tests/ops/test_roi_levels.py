import jittor as jt
import numpy as np
import pytest

from jsra.ops import kernel, roi_levels
from jsra.ops.reference.roi_levels import roi_levels as reference
from tests.ops.tester import Case, OperatorTester


def rois(*sides):
    return np.array([[0, 1, 2, 1 + w, 2 + h] for w, h in sides], np.float32)


class TestRoILevels(OperatorTester):
    op = staticmethod(roi_levels)
    reference = staticmethod(reference)
    tolerance = 0

    def cases(self, rng):
        # Sides of 56 * 2^i and their neighbours: one wrongly rounded operation would show.
        exact = 56 * 2.0 ** rng.integers(0, 5, (200, 1)) * np.ones(2)
        sides = np.nextafter(exact.astype(np.float32), rng.choice([0, 1e9], (200, 2)).astype(np.float32))
        near = np.concatenate([np.zeros((200, 3)), sides], axis=1).astype(np.float32)
        random = rois(*rng.uniform(-50, 800, (100, 2)))
        random[::7, 0] = -1
        return [
            Case("where levels begin", (near, 4), grad=()),
            Case("random, and no RoIs", (random, 5), dict(finest_scale=32.0), grad=()),
            Case("one level", (random, 1), grad=()),
            Case("none", (random[:0], 4), grad=()),
        ]


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_by_hand(backend):
    """56 * 2^i is where level i begins; 28 x 448 has the area of 112 x 112. What has no size reads the finest map."""
    boxes = rois((10, 10), (111.9, 111.9), (112, 112), (28, 448), (224, 224), (448, 448), (9000, 9000))
    bad = rois((np.nan, 300), (-300, -300), (0, 300), (np.inf, 1))
    absent = boxes - np.float32([1, 0, 0, 0, 0])
    with kernel.backend(backend):
        assert roi_levels(jt.array(boxes), 4).numpy().tolist() == [0, 0, 1, 1, 2, 3, 3]
        assert roi_levels(jt.array(boxes), 2).numpy().tolist() == [0, 0, 1, 1, 1, 1, 1]
        assert roi_levels(jt.array(bad), 4).numpy().tolist() == [0, 0, 0, 3]
        assert roi_levels(jt.array(absent), 4).numpy().tolist() == [0] * 7


def test_bad_arguments():
    with pytest.raises(ValueError, match="rois: expected the last dimension to be 5"):
        roi_levels(jt.randn(3, 4), 4)
    with pytest.raises(ValueError, match="rois: expected a jittor Var"):
        roi_levels(np.zeros((3, 5), np.float32), 4)
