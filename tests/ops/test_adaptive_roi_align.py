import jittor as jt
import numpy as np
import pytest

from jsra.ops import kernel
from jsra.ops.adaptive_roi_align import adaptive_roi_align
from jsra.ops.reference.adaptive_roi_align import adaptive_roi_align as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


class TestAdaptiveRoIAlign(OperatorTester):
    op = staticmethod(adaptive_roi_align)
    reference = staticmethod(reference)

    def cases(self, rng):
        features, rois = rng.standard_normal((2, 3, 13, 17)), random_rois(rng, 6, 2, 60, 50)
        levels = [rng.standard_normal((2, 8, 15, 16)), rng.standard_normal((2, 8, 8, 8))]
        settings = dict(output_size=(3, 2), spatial_scale=0.25)
        return [
            Case("plain", (features, rois), settings),
            Case(
                "bins of many cells", (features, random_rois(rng, 4, 2, 20, 20, high=70)), dict(settings, output_size=2)
            ),
            Case("degenerate", (features, np.concatenate([DEGENERATE, EMPTY])), settings),
            Case(
                "missing levels",
                (levels, rois),
                dict(settings, spatial_scale=[0.25, 0.125], levels=jt.array(MISSING_LEVELS)),
            ),
            Case("none", (features, rois[:0]), settings),
            Case(
                "pyramid",
                (levels, rois),
                dict(settings, spatial_scale=[0.25, 0.125], levels=jt.array([0, 1, 1, 0, 1, 0])),
            ),
        ]


def test_by_hand():
    """A box of 3 cells from (1, 0), as the original counts it 4, in 2 bins of 2: corners x = 1 and 3, stride 2; y = 0, 2.

    Corner coordinates that are whole numbers read one cell. Moved right by 0.5: x = 1.5 lies a quarter of the way from cell
    1 to cell 3, and x = 3.5 a quarter of the way from cell 3 to the last cell, 4: a read at 5 would leave the map.
    """
    features = jt.array(np.tile(np.arange(5, dtype="float32") ** 2, (5, 1))[None, None])
    whole = adaptive_roi_align(features, jt.array([[0.0, 1, 0, 4, 3]]), 2).numpy()
    assert np.allclose(whole[0, 0], [[1, 9], [1, 9]])
    moved = adaptive_roi_align(features, jt.array([[0.0, 1.5, 0, 4.5, 3]]), 2).numpy()
    assert np.allclose(moved[0, 0], [[0.75 * 1 + 0.25 * 9, 0.75 * 9 + 0.25 * 16]] * 2)


def test_a_gradient_that_is_not_finite_spreads_by_the_cuda_kernels(rng):
    """Sums in fixed point hold no NaN: one in the output's gradient makes every gradient NaN."""
    features, rois = jt.array(rng.standard_normal((1, 3, 13, 17)).astype("f")), jt.array([[0.0, 4, 4, 40, 30]])
    weights = np.ones((1, 3, 2, 2), "f")
    weights[0, 1, 0, 0] = np.nan
    with kernel.backend("host_cuda"):
        out = adaptive_roi_align(features, rois, 2, 0.25)
        assert np.isnan(jt.grad((out * jt.array(weights)).sum(), features).numpy()).all()


def test_bad_input():
    with pytest.raises(ValueError, match="rois: expected the last dimension to be 5"):
        adaptive_roi_align(jt.zeros((1, 2, 9, 9)), jt.zeros((3, 4)), 7)
