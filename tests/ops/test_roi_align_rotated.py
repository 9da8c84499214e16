import jittor as jt
import numpy as np
import pytest

from jsra.ops.reference.roi_align_rotated import roi_align_rotated as reference
from jsra.ops.roi_align import roi_align
from jsra.ops.roi_align_rotated import roi_align_rotated
from tests.ops.rois import EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


def rotate(rois, angles):
    """[K, 5] corners to [K, 6] centre, size and angle."""
    sizes = rois[:, 3:] - rois[:, 1:3]
    return np.concatenate([rois[:, :1], rois[:, 1:3] + sizes / 2, sizes, np.reshape(angles, (-1, 1))], axis=1)


class TestRoIAlignRotated(OperatorTester):
    op = staticmethod(roi_align_rotated)
    reference = staticmethod(reference)
    vectors = "roi_align_rotated.npz"

    def cases(self, rng):
        features, packs = rng.standard_normal((2, 3, 13, 17)), rng.standard_normal((2, 8, 13, 17))
        rois = rotate(random_rois(rng, 6, 2, 60, 50), rng.uniform(-4, 4, 6))
        bad = rois.copy()
        bad[0, 3], bad[1, 5], bad[2, 4], bad[3, 1:3], bad[4, 0], bad[5, 0] = 0, np.nan, -3, 5000, -1, 2
        empty = rotate(EMPTY, rng.uniform(-4, 4, 5))
        settings = dict(output_size=(3, 2), spatial_scale=0.25)
        return [
            Case("adaptive", (features, rois), settings),
            Case("two samples, clockwise", (packs, rois), dict(settings, sampling_ratio=2, clockwise=True)),
            Case("legacy", (features, rois), dict(settings, aligned=False)),
            Case("degenerate", (features, bad), settings),
            Case("empty", (features, empty), settings),
            Case("empty, two samples", (features, empty), dict(settings, sampling_ratio=2)),
            Case("empty, legacy", (features, empty), dict(settings, aligned=False)),
            Case(
                "missing levels",
                ([features, features], rois),
                dict(settings, spatial_scale=[0.25, 0.125], levels=jt.array(MISSING_LEVELS)),
            ),
            Case("none", (features, rois[:0]), settings),
        ]


def test_without_rotation_it_is_roi_align(rng):
    features, rois = (
        rng.standard_normal((2, 5, 20, 20)).astype("float32"),
        random_rois(rng, 9, 2, 60, 50).astype("float32"),
    )
    got = roi_align_rotated(jt.array(features), jt.array(rotate(rois, np.zeros(9)).astype("float32")), 7, 0.25, 2)
    expected = roi_align(jt.array(features), jt.array(rois), 7, 0.25, sampling_ratio=2, aligned=True)
    assert np.abs(got.numpy() - expected.numpy()).max() < 1e-4


def test_quarter_turn_rotates_the_bins():
    """Counterclockwise by 90 degrees, what was at the right (u = 1, v = 0) reads the map above the centre (y - 1)."""
    features = jt.array(np.arange(81, dtype="float32").reshape(1, 1, 9, 9))
    upright = roi_align_rotated(features, jt.array([[0.0, 4.5, 4.5, 3, 3, 0]]), 3, 1.0, 1).numpy()[0, 0]
    turned = roi_align_rotated(features, jt.array([[0.0, 4.5, 4.5, 3, 3, np.pi / 2]]), 3, 1.0, 1).numpy()[0, 0]
    assert np.allclose(upright, [[30, 31, 32], [39, 40, 41], [48, 49, 50]], atol=1e-4)
    assert np.allclose(turned, np.rot90(upright, -1), atol=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match="rois: expected the last dimension to be 6"):
        roi_align_rotated(jt.zeros((1, 2, 9, 9)), jt.zeros((3, 5)), 7, 0.25)
