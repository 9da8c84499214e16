import jittor as jt
import numpy as np
import pytest

from jsra.ops import ms_deform_attn
from jsra.ops.reference.ms_deform_attn import ms_deform_attn as reference
from tests.ops.tester import Case, OperatorTester

SIZES = ((3, 5), (2, 2))


class TestMSDeformAttn(OperatorTester):
    op = staticmethod(ms_deform_attn)
    reference = staticmethod(reference)
    vectors = "ms_deform_attn.npz"

    def cases(self, rng):
        value = rng.standard_normal((2, 19, 3, 5))
        locations = rng.uniform(-0.3, 1.3, (2, 7, 3, 2, 4, 2))
        weights = 3 * rng.standard_normal((2, 7, 3, 2, 4))
        bad = locations.copy()
        bad[0, 0, 0, 0, 0, 0], bad[1, 1, 1, 1, 1, 1], bad[1, 6, 2, 0, 3] = np.nan, np.inf, 1e9
        settings = dict(sizes=SIZES)
        return [
            Case("two maps", (value, locations, weights), settings, grad=(0, 1, 2)),
            Case("not finite or far outside", (value, bad, weights), settings, grad=(0, 2)),
            Case("a map of a cell", (value[:, :1], locations[:, :, :, :1], weights[:, :, :, :1]), dict(sizes=[(1, 1)])),
            Case("no query", (value, locations[:, :0], weights[:, :0]), settings, grad=(0,)),
            Case("no image", (value[:0], locations[:0], weights[:0]), settings, grad=()),
        ]


def test_by_hand():
    """A row 0 10 20 30: the middle is 15; three eighths is the cell 10; half a cell outside, half of 30."""
    value = jt.array(np.float32([0, 10, 20, 30]).reshape(1, 4, 1, 1))
    locations = np.float32([[0.5, 0.5], [0.375, 0.5], [1.0, 0.5]]).reshape(1, 3, 1, 1, 1, 2)
    found = ms_deform_attn(value, jt.array(locations), jt.ones((1, 3, 1, 1, 1)), [(1, 4)])
    assert found.numpy().ravel().tolist() == [15, 10, 15]


def test_bad_arguments():
    value, locations = jt.zeros((1, 19, 3, 5)), jt.zeros((1, 7, 3, 2, 4, 2))
    with pytest.raises(ValueError, match="sizes: expected 1 to 8 maps of 19 cells in all"):
        ms_deform_attn(value, locations, jt.zeros((1, 7, 3, 2, 4)), [(3, 5), (2, 3)])
    with pytest.raises(ValueError, match=r"weights: expected .* = \[1, 7, 3, 2, 4\], got shape \[1, 7, 3, 2, 5\]"):
        ms_deform_attn(value, locations, jt.zeros((1, 7, 3, 2, 5)), SIZES)
