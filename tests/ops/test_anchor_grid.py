import jittor as jt
import numpy as np
import pytest

from jsra.ops import anchor_grid, anchor_valid, kernel
from jsra.ops.reference import anchor_grid as reference
from tests.ops.tester import Case, OperatorTester

STRIDES, SIZES = (4, 8, 16), [(5, 7), (3, 4), (2, 2)]
IMAGES = np.array([[28, 20], [17, 9], [16, 32], [1, 1], [0, 5], [100, 100]], np.int32)


class TestAnchorGrid(OperatorTester):
    op = staticmethod(anchor_grid)
    reference = staticmethod(reference.anchor_grid)
    tolerance = 1e-7

    def cases(self, rng):
        base = rng.uniform(-30, 30, (3, 3, 4)).astype(np.float32)
        return [
            Case("three levels", (base,), dict(strides=STRIDES, sizes=SIZES), grad=()),
            Case("one anchor, one level", (base[:1, :1],), dict(strides=STRIDES[:1], sizes=SIZES[:1]), grad=()),
            Case("an empty map", (base,), dict(strides=STRIDES, sizes=[(5, 7), (0, 4), (2, 2)]), grad=()),
        ]


class TestAnchorValid(OperatorTester):
    op = staticmethod(anchor_valid)
    reference = staticmethod(reference.anchor_valid)
    tolerance = 0

    def cases(self, rng):
        return [
            Case("several sizes", (IMAGES,), dict(strides=STRIDES, sizes=SIZES, anchors=3), grad=()),
            Case("one size", (IMAGES[:1],), dict(strides=STRIDES[:1], sizes=SIZES[:1], anchors=1), grad=()),
        ]


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_to_the_last_bit(rng, backend):
    base = rng.uniform(-500, 500, (3, 9, 4)).astype(np.float32)
    with kernel.backend(backend):
        grid = anchor_grid(jt.array(base), STRIDES, SIZES).numpy()
    expected = reference.anchor_grid(base, STRIDES, SIZES)
    assert np.array_equal(grid, expected.astype(np.float32))


def test_by_hand():
    """A 2 x 2 box around the origin on a map of 1 x 2, stride 8."""
    grid = anchor_grid(jt.array(np.float32([[[-1, -1, 1, 1]]])), [8], [(1, 2)]).numpy()
    assert grid.tolist() == [[-1, -1, 1, 1], [7, -1, 9, 1]]
    assert anchor_valid(jt.array(np.int32([[8, 1], [9, 1]])), [8], [(1, 2)], 1).numpy().tolist() == [[1, 0], [1, 1]]


def test_bad_arguments():
    with pytest.raises(ValueError, match="base: expected 2 levels"):
        anchor_grid(jt.randn(3, 1, 4), [8, 16], [(1, 2), (1, 1)])
    with pytest.raises(ValueError, match="sizes: expected one"):
        anchor_grid(jt.randn(2, 1, 4), [8, 16], [(1, 2)])
    with pytest.raises(ValueError, match="image_sizes: expected dtype int32"):
        anchor_valid(jt.randn(2, 2), [8], [(1, 2)], 3)
