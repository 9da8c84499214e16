import jittor as jt
import numpy as np
import pytest

from jsra.ops import RoIPool, kernel, roi_pool
from jsra.ops.reference.roi_pool import roi_pool as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


class TestRoIPool(OperatorTester):
    vectors = "roi_pool.npz"

    @staticmethod
    def op(features, rois, levels=None, **settings):
        return roi_pool(features, rois, levels=levels, **settings)

    @staticmethod
    def reference(features, rois, levels=None, **settings):
        return reference(features, rois, levels=levels, **settings)

    def cases(self, rng):
        features = rng.standard_normal((2, 5, 13, 17))
        rois = random_rois(rng, 8, 2, 60, 45)
        yield Case("plain", (features, rois), dict(output_size=(3, 2), spatial_scale=0.25))
        yield Case(
            "more bins than cells",
            (features, random_rois(rng, 4, 2, 60, 45, 1, 9)),
            dict(output_size=4, spatial_scale=0.25),
        )
        pyramid = [features, rng.standard_normal((2, 5, 6, 9))]
        levels = rng.integers(0, 2, len(rois)).astype(np.int32)
        settings = dict(output_size=2, spatial_scale=(0.25, 0.125))
        yield Case("two levels", (pyramid, rois, levels), settings)
        yield Case("missing levels", (pyramid, rois[:6], MISSING_LEVELS), settings)
        yield Case("empty", (features, EMPTY), dict(output_size=2, spatial_scale=0.25))


def gradient(features, rois, weights, **settings):
    variable = jt.array(features)
    loss = (roi_pool(variable, jt.array(rois), **settings) * jt.array(weights)).sum()
    return jt.grad(loss, variable).numpy()


def test_by_hand():
    """A box from 0.4 to 2.6 covers the cells 0 to 3 (both ends rounded, and both inside), in bins of 4 / 3 cells."""
    row = np.array([5.0, 1, 2, 7, 9, 9], np.float32)
    roi = np.array([[0, 0.4, 0.0, 2.6, 0.1]], np.float32)
    # Bins: cells 0-1, 1-2, 2-3.
    assert roi_pool(jt.array(row[None, None, None]), jt.array(roi), (1, 3)).numpy().ravel().tolist() == [5, 2, 7]
    grad = gradient(
        row[None, None, None], roi, np.array([1, 2, 3.0], np.float32).reshape(1, 1, 1, 3), output_size=(1, 3)
    )
    assert grad.ravel().tolist() == [1, 0, 2, 3, 0, 0]


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_degenerate_boxes_give_zeros(rng, backend):
    features = rng.standard_normal((2, 3, 13, 17)).astype(np.float32)
    good = random_rois(rng, len(DEGENERATE), 2, 60, 40)
    rois = np.stack([good, DEGENERATE], axis=1).reshape(-1, 5).astype(np.float32)
    settings = dict(output_size=2, spatial_scale=0.25)
    weights = rng.standard_normal((len(rois), 3, 2, 2)).astype(np.float32)
    with kernel.backend(backend):
        out = roi_pool(jt.array(features), jt.array(rois), **settings).numpy()
        grad = gradient(features, rois, weights, **settings)
        only_good = gradient(features, rois[::2], weights[::2], **settings)
    assert not out[1::2].any()
    assert np.abs(out[::2] - reference(features, good.astype(np.float32), **settings)).max() == 0
    assert np.abs(grad - only_good).max() < 1e-5 and np.abs(grad).max() > 0


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_no_rois_and_huge_rois(backend):
    features = np.ones((2, 3, 5, 4), np.float32)
    with kernel.backend(backend):
        assert roi_pool(jt.array(features), jt.zeros((0, 5)), 7).numpy().shape == (0, 3, 7, 7)
        none = gradient(features, np.zeros((0, 5), np.float32), np.zeros((0, 3, 7, 7), np.float32), output_size=7)
        roi = np.array([[1, -3e6, -3e6, 3e6, 3e6]], np.float32)
        huge = roi_pool(jt.array(features), jt.array(roi), 2).numpy()
    assert none.shape == features.shape and not none.any()
    # The map lies in the lower right bin, and its first row and column may belong to both.
    assert huge[0, 0, 1, 1] == 1.0


def test_boxes_as_a_list_and_the_module(rng):
    features = jt.array(rng.standard_normal((2, 3, 9, 9)).astype(np.float32))
    rois = random_rois(rng, 5, 1, 30, 30).astype(np.float32)
    rois[3:, 0] = 1
    parts = [jt.array(rois[:3, 1:]), jt.array(rois[3:, 1:])]
    expected = roi_pool(features, jt.array(rois), (2, 3), 0.25).numpy()
    assert np.array_equal(roi_pool(features, parts, (2, 3), 0.25).numpy(), expected)
    assert np.array_equal(RoIPool((2, 3), 0.25)(features, jt.array(rois)).numpy(), expected)


def test_bad_arguments_are_named():
    features = jt.zeros((2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"boxes: expected 2 dimensions, got shape \[5\]"):
        roi_pool(features, jt.zeros((5,)), 2)
    with pytest.raises(ValueError, match=r"boxes\[1\]: expected the last dimension to be 4, got shape \[3, 5\]"):
        roi_pool(features, [jt.zeros((2, 4)), jt.zeros((3, 5))], 2)
