import jittor as jt
import numpy as np
import pytest

from jsra.ops import RoIAlign, kernel, roi_align, roi_pool
from jsra.ops.reference.roi_align import roi_align as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


class TestRoIAlign(OperatorTester):
    vectors = "roi_align.npz"

    @staticmethod
    def op(features, rois, levels=None, **settings):
        return roi_align(features, rois, levels=levels, **settings)

    @staticmethod
    def reference(features, rois, levels=None, **settings):
        return reference(features, rois, levels=levels, **settings)

    def cases(self, rng):
        features = rng.standard_normal((2, 19, 13, 21))
        rois = random_rois(rng, 6, 2, 80, 50)
        yield from [
            Case(
                f"aligned={a} ratio={r} {mode}",
                (features, rois),
                dict(output_size=(3, 2), spatial_scale=0.25, sampling_ratio=r, aligned=a, mode=mode),
            )
            for a, r, mode in [(True, 0, "avg"), (False, 2, "avg"), (False, 0, "max"), (True, 2, "max")]
        ]
        # 17 bins: more than one vector, and a rest. Both map sizes leave a rest too.
        pyramid = [features, rng.standard_normal((2, 19, 6, 10))]
        levels = rng.integers(0, 2, len(rois)).astype(np.int32)
        settings = dict(output_size=(1, 17), spatial_scale=(0.25, 0.125), sampling_ratio=0, aligned=True)
        yield Case("two levels", (pyramid, rois, levels), settings)
        yield Case("missing levels", (pyramid, rois, MISSING_LEVELS), settings)
        for aligned, ratio, mode in [(True, 0, "avg"), (True, 2, "avg"), (False, 0, "avg"), (False, 2, "max")]:
            settings = dict(output_size=2, spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned, mode=mode)
            yield Case(f"empty, aligned={aligned} ratio={ratio} {mode}", (features, EMPTY), settings)
        settings = dict(output_size=2, spatial_scale=0.25, sampling_ratio=3, aligned=True)
        yield Case(
            "one channel, one cell", (rng.standard_normal((2, 1, 1, 1)), random_rois(rng, 5, 2, 2, 2, 1, 9)), settings
        )

    @pytest.mark.parametrize("channels, bins", [(136, (7, 7)), (90, (6, 7)), (8, (81, 80))])
    def test_large_outputs_by_the_cuda_kernels(self, channels, bins, rng):
        """Several slices of channels, in packs and not; an even number of bins; bins beyond a block's tile."""
        features, rois = rng.standard_normal((1, channels, 9, 11)), random_rois(rng, 2, 1, 40, 30, low=10)
        self.check_cuda_kernels(Case("large", (features, rois), dict(output_size=bins, spatial_scale=0.25)), rng)


def gradient(features, rois, weights, **settings):
    variable = jt.array(features)
    loss = (roi_align(variable, jt.array(rois), **settings) * jt.array(weights)).sum()
    return jt.grad(loss, variable).numpy()


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_degenerate_boxes_give_zeros(rng, backend, mode, ratio):
    features = rng.standard_normal((2, 3, 13, 17)).astype(np.float32)
    good = random_rois(rng, len(DEGENERATE), 2, 60, 40)
    rois = np.stack([good, DEGENERATE], axis=1).reshape(-1, 5).astype(np.float32)
    settings = dict(output_size=2, spatial_scale=0.25, sampling_ratio=ratio, aligned=True, mode=mode)
    weights = rng.standard_normal((len(rois), 3, 2, 2)).astype(np.float32)
    with kernel.backend(backend):
        out = roi_align(jt.array(features), jt.array(rois), **settings).numpy()
        grad = gradient(features, rois, weights, **settings)
        only_good = gradient(features, rois[::2], weights[::2], **settings)
    assert not out[1::2].any()
    assert np.abs(out[::2] - reference(features, good.astype(np.float32), **settings)).max() < 1e-4
    assert np.abs(grad - only_good).max() < 1e-5 and np.abs(grad).max() > 0


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_no_rois(backend, mode):
    features = np.ones((2, 3, 5, 4), np.float32)
    with kernel.backend(backend):
        assert roi_align(jt.array(features), jt.zeros((0, 5)), 7, mode=mode).numpy().shape == (0, 3, 7, 7)
        grad = gradient(
            features, np.zeros((0, 5), np.float32), np.zeros((0, 3, 7, 7), np.float32), output_size=7, mode=mode
        )
    assert grad.shape == features.shape and not grad.any()


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_huge_boxes_cost_no_more_than_the_map(rng, backend):
    """Boxes of millions of cells: on a map of ones, the bins' means hold the area of the map and its one-cell rim."""
    height, width, bins = 11, 14, 3
    rois = np.array([[0, -7e5, -8e5, 6e5, 9e5], [0, -300, -200, 400, 500]], np.float32)
    ones = np.ones((1, 2, height, width), np.float32)
    with kernel.backend(backend):
        out = roi_align(jt.array(ones), jt.array(rois), bins).numpy()
        maximum = roi_align(jt.array(ones), jt.array(rois[1:]), bins, mode="max").numpy()
        grad = gradient(ones, rois, np.ones_like(out), output_size=bins)
    areas = (rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2]) / bins**2
    covered = out.sum(axis=(2, 3)) * areas[:, None]
    assert np.abs(covered / ((height + 1) * (width + 1)) - 1).max() < 0.2, covered
    assert maximum.max() == 1.0 and maximum.min() == 0.0
    assert np.abs(grad.sum() / out.sum() - 1) < 1e-4


@pytest.mark.parametrize("size", [(100, 100), (1, 160), (40, 40)])
def test_many_bins_on_cuda(rng, size):
    """Outputs for which the CUDA kernel's shared memory is too small: its other ways give the same."""
    features = rng.standard_normal((1, 4, 23, 170)).astype(np.float32)
    rois = np.array([[0, 3, 2, 160, 21], [0, -20, -9, 200, 40]], np.float32)
    expected = roi_align(jt.array(features), jt.array(rois), size, sampling_ratio=3).numpy()
    with kernel.backend("host_cuda"):
        got = roi_align(jt.array(features), jt.array(rois), size, sampling_ratio=3).numpy()
    assert np.abs(got - expected).max() < 1e-5


def test_by_hand():
    """A 2 x 2 box on the map x + 10 y, one sample per bin at the bin's centre."""
    plane = np.arange(6)[None, :] + 10.0 * np.arange(5)[:, None]
    roi = np.array([[0, 1, 2, 3, 4]], np.float32)
    out = roi_align(jt.array(plane[None, None].astype(np.float32)), jt.array(roi), 2, sampling_ratio=1, aligned=False)
    # Legacy: pixel i at coordinate i, so the centres are x = 1.5, 2.5 and y = 2.5, 3.5.
    assert np.allclose(out.numpy()[0, 0], [[26.5, 27.5], [36.5, 37.5]])
    out = roi_align(jt.array(plane[None, None].astype(np.float32)), jt.array(roi), 2, sampling_ratio=1, aligned=True)
    # Half-pixel: everything half a cell to the upper left, x = 1, 2 and y = 2, 3.
    assert np.allclose(out.numpy()[0, 0], [[21, 22], [31, 32]])


def test_adaptive_samples_are_one_for_each_cell():
    """A bin of exactly 2 cells takes 2 samples, which on a map that jumps differs from 3."""
    step = np.zeros((1, 1, 1, 40), np.float32)
    step[..., 1::3] = 1.0
    for bins in (3, 5, 6, 7, 9, 11, 13):
        roi = np.array([[0, 2.0, 0.0, 2.0 + 2 * bins, 1.0]], np.float32)
        two, adaptive = (
            roi_align(jt.array(step), jt.array(roi), (1, bins), sampling_ratio=r, aligned=True).numpy() for r in (2, 0)
        )
        assert np.allclose(two, adaptive), bins


def test_boxes_as_a_list_and_the_module(rng):
    features = jt.array(rng.standard_normal((2, 3, 9, 9)).astype(np.float32))
    rois = random_rois(rng, 5, 1, 30, 30).astype(np.float32)
    rois[3:, 0] = 1
    parts = [jt.array(rois[:3, 1:]), jt.array(rois[3:, 1:])]
    expected = roi_align(features, jt.array(rois), (2, 3), 0.25, 2, True).numpy()
    assert np.array_equal(roi_align(features, parts, (2, 3), 0.25, 2, True).numpy(), expected)
    assert np.array_equal(RoIAlign((2, 3), 0.25, 2, True)(features, jt.array(rois)).numpy(), expected)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(input=np.zeros((3, 4, 4))), r"input: expected 4 dimensions, got shape \[3, 4, 4\]"),
        (dict(input=np.zeros((1, 3, 4, 4), np.int32)), r"input: expected dtype .*float32.*, got int32"),
        (dict(boxes=np.zeros((2, 4))), r"boxes: expected the last dimension to be 5, got shape \[2, 4\]"),
        (dict(output_size=0), "output_size: expected a positive int"),
        (dict(output_size=7.0), r"output_size: expected a positive int or \(height, width\), got 7.0"),
        (dict(spatial_scale=-1.0), "spatial_scale: expected 1 positive numbers"),
        (dict(mode="mean"), "mode: expected 'avg' or 'max'"),
        (dict(levels=np.array([0], np.int32)), "levels: expected one for each of the 2 RoIs"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = dict(input=np.zeros((1, 3, 4, 4)), boxes=np.tile(np.array([[0, 0, 0, 3, 3.0]]), (2, 1)), output_size=2)
    arguments.update(change)
    with pytest.raises(ValueError, match=message):
        roi_align(**{k: jt.array(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()})


def test_arguments_in_the_order_of_another_library(rng):
    """mmcv's sixth argument is the mode of pooling, here it is `aligned`, and any text would count as True."""
    features, rois = jt.array(rng.standard_normal((2, 4, 9, 9)).astype(np.float32)), jt.array([[0.0, 1.0, 1.0, 7.0, 7.0]])
    with pytest.raises(ValueError, match="aligned: expected True or False, got 'max'"):
        roi_align(features, rois, 2, 1.0, 2, "max")
    for ratio in (2.5, "2", None, True):
        with pytest.raises(ValueError, match="sampling_ratio: expected a whole number, got"):
            roi_align(features, rois, 2, 1.0, ratio)
    numbers = roi_align(features, rois, 2, 1.0, np.int64(2), np.bool_(True))
    np.testing.assert_array_equal(numbers.numpy(), roi_align(features, rois, 2, 1.0, 2, True).numpy())


@pytest.mark.parametrize("op", [roi_align, roi_pool])
def test_a_list_longer_than_the_batch(op, rng):
    features, boxes = jt.array(rng.standard_normal((2, 4, 9, 9)).astype(np.float32)), jt.array([[1.0, 1.0, 7.0, 7.0]])
    with pytest.raises(ValueError, match="boxes: expected a list with the boxes of each of the 2 images, got 3 items"):
        op(features, [boxes] * 3, 2)
    assert op(features, [boxes], 2).shape == [1, 4, 2, 2]
