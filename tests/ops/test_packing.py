import jittor as jt
import numpy as np
import pytest

from jsra.ops.packing import Packing
from jsra.ops.reference.packing import packing as reference
from tests.ops.tester import Case, OperatorTester


def places(grids):
    """The Vars of a Packing, as an operator."""
    packing = Packing(grids)
    assert packing.total == packing.owner.shape[0] and packing.count == grids.shape[0]
    return packing.offsets, packing.owner, packing.axes


class TestPacking(OperatorTester):
    op = staticmethod(places)
    reference = staticmethod(reference)
    tolerance = 0

    def cases(self, rng):
        grids = rng.integers(1, 9, (300, 2)).astype(np.int32)
        some = grids.copy()
        some[[0, 1, 7, 299]] = 0
        return [
            Case("grids", (grids,), grad=()),
            Case("some of no size", (some,), grad=()),
            Case("all of no size", (grids * 0,), grad=()),
            Case("one", (grids[:1],), grad=()),
            Case("none", (grids[:0],), grad=()),
        ]


def test_by_hand():
    """2 x 3 and 1 x 1 positions: the pair (index, side) counts sides below first: 2 has 1 before it, 3 has 3."""
    packing = Packing(jt.array(np.int32([[2, 3], [0, 0], [1, 1]])))
    assert packing.offsets.numpy().tolist() == [0, 6, 6, 7] and (packing.total, packing.row_col_total) == (7, 5)
    assert packing.owner.numpy().tolist() == [0, 0, 0, 0, 0, 0, 2]
    assert packing.axes.numpy().tolist() == [[1, 1, 1, 2, 2, 2, 0], [3, 4, 5, 3, 4, 5, 0]]


def test_absent_rois_have_no_positions():
    """A negative batch index; one that is not a number marks a degenerate RoI, which has a square grid."""
    rois = jt.array(np.float32([[0, 0, 0, 20, 10], [-1, 0, 0, 20, 10], [np.nan, 0, 0, 9, 9]]))
    assert Packing.dynamic(rois, 64).grids.numpy().tolist() == [[5, 10], [0, 0], [8, 8]]
    assert Packing.fixed(rois, (3, 4)).grids.numpy().tolist() == [[3, 4], [0, 0], [3, 4]]


def test_bad_arguments():
    with pytest.raises(ValueError, match="grids: expected the last dimension to be 2"):
        Packing(jt.zeros((3, 4), dtype="int32"))
