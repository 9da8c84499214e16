import jittor as jt
import numpy as np
import pytest

from jsra.ops.deform_roi_pool import deform_roi_pool
from jsra.ops.reference.deform_roi_pool import deform_roi_pool as reference
from jsra.ops.roi_align import roi_align
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


def masked(op):
    """The operator with the mask as an input that has a gradient."""

    def call(input, rois, offset, mask, levels=None, **settings):
        return op(input, rois, offset, mask=mask, levels=levels, **settings)

    return call


def smooth_offsets(rng, rois, bins, scales, ratio=0, gamma=0.1):
    """Random offsets [K, 2, *bins] with which no sample lies within 1e-3 of a cell, where it would have no derivative."""
    out = np.zeros((len(rois), 2) + bins)
    for k, axis, p, q in np.ndindex(*out.shape):
        low, high = rois[k, 1 + axis] * scales[k] - 0.5, rois[k, 3 + axis] * scales[k] - 0.5
        count, index = bins[1 - axis], (q, p)[axis]
        samples = ratio if ratio > 0 else max(int(np.ceil((high - low) / count)), 1)
        at = low + (index + (np.arange(samples) + 0.5) / samples) * (high - low) / count
        while True:
            offset = rng.standard_normal()
            moved = at + gamma * (high - low) * offset
            if np.abs(moved - np.round(moved)).min() > 1e-3:
                break
        out[k, axis, p, q] = offset
    return out


class TestDeformRoIPool(OperatorTester):
    op = staticmethod(masked(deform_roi_pool))
    reference = staticmethod(masked(reference))

    def cases(self, rng):
        features = rng.standard_normal((2, 3, 13, 17))
        rois = random_rois(rng, 6, 2, 60, 50)
        mask, which = rng.uniform(0, 1, (6, 3, 2)), rng.integers(0, 2, 6).astype(np.int32)
        scale = np.full(6, 0.25)
        offset = smooth_offsets(rng, rois, (3, 2), scale)
        settings = dict(output_size=(3, 2), spatial_scale=0.25)
        levels = [rng.standard_normal((2, 8, 15, 16)), rng.standard_normal((2, 8, 8, 8))]
        return [
            Case("modulated", (features, rois, offset, mask), settings, grad=(0, 2, 3)),
            Case(
                "two samples",
                (features, rois, smooth_offsets(rng, rois, (3, 2), scale, 2, 0.4), mask),
                dict(settings, sampling_ratio=2, gamma=0.4),
                grad=(0, 2, 3),
            ),
            Case("v1", (features, rois, offset, None), settings, grad=(0, 2)),
            Case("no offset", (features, rois, None, None), settings),
            Case("degenerate", (features, DEGENERATE[:6], offset, mask), settings, grad=(0, 2, 3)),
            Case("empty", (features, EMPTY, offset[:5], mask[:5]), settings, grad=(0, 2, 3)),
            Case("empty, two samples", (features, EMPTY, offset[:5], mask[:5]), dict(settings, sampling_ratio=2)),
            Case(
                "missing levels",
                (levels, rois, smooth_offsets(rng, rois, (3, 2), np.full(6, 0.25)), mask, MISSING_LEVELS),
                dict(settings, spatial_scale=[0.25, 0.25]),
                grad=(0, 2, 3),
            ),
            Case("none", (features, rois[:0], offset[:0], mask[:0]), settings),
            Case(
                "pyramid",
                (levels, rois, smooth_offsets(rng, rois, (3, 2), np.where(which, 0.125, 0.25)), mask, which),
                dict(settings, spatial_scale=[0.25, 0.125]),
                grad=(0, 2, 3),
            ),
        ]

    @pytest.mark.parametrize("channels, bins", [(132, (7, 7)), (90, (7, 7)), (8, (33, 32))])
    def test_large_outputs_by_the_cuda_kernels(self, channels, bins, rng):
        """More channels than a warp takes at a time and a block's tile holds, in packs and not; bins beyond the tile."""
        features, rois = rng.standard_normal((1, channels, 9, 11)), random_rois(rng, 2, 1, 40, 30, low=10)
        offset, mask = smooth_offsets(rng, rois, bins, np.full(2, 0.25)), rng.uniform(0, 1, (2,) + bins)
        settings = dict(output_size=bins, spatial_scale=0.25)
        self.check_cuda_kernels(Case("large", (features, rois, offset, mask), settings, grad=(0, 2, 3)), rng)


def test_zero_offset_is_roi_align(rng):
    features, rois = (
        rng.standard_normal((2, 5, 20, 20)).astype("float32"),
        random_rois(rng, 9, 2, 60, 50).astype("float32"),
    )
    got = deform_roi_pool(jt.array(features), jt.array(rois), jt.zeros((9, 2, 7, 7)), 7, 0.25)
    expected = roi_align(jt.array(features), jt.array(rois), 7, 0.25, sampling_ratio=0, aligned=True)
    assert np.abs(got.numpy() - expected.numpy()).max() < 1e-5


def test_offset_that_is_not_finite_gives_zero(rng):
    features, rois = jt.array(rng.standard_normal((1, 2, 9, 9)).astype("float32")), jt.array([[0.0, 4, 4, 30, 30]])
    offset = np.zeros((1, 2, 2, 2), "float32")
    offset[0, 0, 1, 0], offset[0, 1, 0, 1] = np.nan, np.inf
    out = deform_roi_pool(features, rois, jt.array(offset), 2, 0.25).numpy()
    assert (out[0, :, 1, 0] == 0).all() and (out[0, :, 0, 1] == 0).all() and (out[0, :, 0, 0] != 0).all()


def test_bad_input():
    features, rois = jt.zeros((1, 2, 9, 9)), jt.array([[0.0, 4, 4, 30, 30]])
    with pytest.raises(ValueError, match=r"offset: expected shape \[1, 2, 7, 7\], got \[1, 2, 7, 6\]"):
        deform_roi_pool(features, rois, jt.zeros((1, 2, 7, 6)), 7)
    with pytest.raises(ValueError, match="mask: expected 3 dimensions"):
        deform_roi_pool(features, rois, None, 7, mask=jt.zeros((1, 7)))
