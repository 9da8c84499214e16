import jittor as jt
import numpy as np
import pytest

from jsra.ops.ps_roi_pool import ps_roi_pool
from jsra.ops.reference.ps_roi_pool import ps_roi_pool as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


class TestPSRoIPool(OperatorTester):
    op = staticmethod(ps_roi_pool)
    reference = staticmethod(reference)
    vectors = "ps_roi_pool.npz"

    def cases(self, rng):
        features, rois = rng.standard_normal((2, 12, 13, 17)), random_rois(rng, 6, 2, 60, 50)
        settings = dict(output_size=(3, 2), spatial_scale=0.25)
        return [
            Case("plain", (features, rois), settings),
            Case("degenerate", (features, DEGENERATE), settings),
            Case("empty", (features, EMPTY), settings),
            Case(
                "missing levels",
                ([features, features], rois),
                dict(settings, spatial_scale=[0.25, 0.125], levels=jt.array(MISSING_LEVELS)),
            ),
            Case("none", (features, rois[:0]), settings),
        ]


def test_by_hand():
    """Cells 1 to 4 in 2 bins of 1.5 cells, rounded outwards: cells 1-2 and 2-3."""
    features = jt.array(np.broadcast_to(np.arange(9, dtype="float32"), (1, 4, 9, 9)).copy())
    out = ps_roi_pool(features, jt.array([[0.0, 1, 1, 4, 4]]), 2).numpy()
    assert np.allclose(out[0, 0], [[1.5, 2.5], [1.5, 2.5]])


@pytest.mark.parametrize("below", [0.49999997, -0.49999997])
def test_a_float_next_to_a_half_is_not_a_half(below):
    """In float32, 0.49999997 + 0.5 is 1. From cell 0, a box of 4 cells has bins 0-1 and 2-3."""
    features = jt.array(np.broadcast_to(np.arange(9, dtype="float32"), (1, 4, 9, 9)).copy())
    out = ps_roi_pool(features, jt.array(np.float32([[0, below, below, 4, 4]])), 2).numpy()
    assert np.allclose(out[0, 0], [[0.5, 2.5], [0.5, 2.5]])


def test_bad_input():
    with pytest.raises(ValueError, match=r"expected a multiple of 3 \* 3 channels"):
        ps_roi_pool(jt.zeros((1, 10, 9, 9)), jt.zeros((3, 5)), 3)
