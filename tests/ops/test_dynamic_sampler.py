import jittor as jt
import numpy as np
import pytest

from jsra.ops import dynamic_sampler, roi_align
from jsra.ops.packing import Packing, grid_table
from jsra.ops.reference.dynamic_sampler import choose_grid
from jsra.ops.reference.dynamic_sampler import dynamic_sampler as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS
from tests.ops.tester import Case, OperatorTester


def random_rois(rng, count, images, extent=60, largest=40):
    corners = rng.uniform(0, extent, (count, 2))
    sizes = rng.uniform(1, largest, (count, 2))
    return np.concatenate([rng.integers(0, images, (count, 1)), corners, corners + sizes], axis=1)


class TestDynamicSampler(OperatorTester):
    op = staticmethod(dynamic_sampler)
    reference = staticmethod(reference)

    def cases(self, rng):
        features, rois = rng.standard_normal((2, 3, 13, 17)), random_rois(rng, 5, 2)
        fine, coarse = rng.standard_normal((2, 18, 12, 15)), rng.standard_normal((2, 18, 6, 8))
        levels = rng.integers(0, 2, 5).astype(np.int32)
        absent = rois.copy()
        absent[[1, 3], 0] = -1
        return [
            Case("adaptive", (features, rois), dict(spatial_scale=0.25, max_area=12)),
            Case("2 samples", (features, rois), dict(spatial_scale=0.25, max_area=64, sampling_ratio=2)),
            Case("fixed", (features, rois), dict(spatial_scale=0.25, grid=(2, 3))),
            Case("pyramid", ([fine, coarse], rois, [0.25, 0.125], 16, None, 0, levels)),
            Case("dynamic, some absent", (features, absent), dict(spatial_scale=0.25, max_area=12)),
            Case("fixed, some absent", (features, absent), dict(spatial_scale=0.25, grid=2)),
            Case("no RoIs", (features, rois[:0]), dict(spatial_scale=0.25)),
            Case("degenerate", (features, DEGENERATE[:-2]), dict(spatial_scale=0.25, max_area=9)),
            Case("empty", (features, EMPTY), dict(spatial_scale=0.25, grid=2, sampling_ratio=2)),
            Case("missing levels", ([fine, coarse], rois, [0.25, 0.125], 16, None, 0, MISSING_LEVELS[:5])),
        ]


def test_grids_of_the_paper():
    """M = 64, (rows, columns), by hand: 2:1 -> 5 x 10 = 50 (4 x 8, 3 x 6, ... are smaller); 3:1 -> 4 x 12 = 48;
    1.3:1 -> 9/7 = 1.286 is nearer than 4/3; 100:1 -> 1 x 64, the widest; an empty box counts as a square."""
    boxes = [(50, 50), (20, 10), (30, 10), (1.3, 1), (1, 1.3), (10, 20), (100, 1), (1, 100), (0, 0), (-5, -5)]
    expected = [(8, 8), (5, 10), (4, 12), (7, 9), (9, 7), (10, 5), (1, 64), (64, 1), (8, 8), (8, 8)]
    rois = np.array([[0, 3, 4, 3 + w, 4 + h] for w, h in boxes], np.float32)
    assert Packing.dynamic(jt.array(rois), 64).grids.numpy().tolist() == [list(g) for g in expected]


def test_grids_match_the_definition(rng):
    sizes = np.exp(rng.uniform(-3, 3, (150, 2))).astype(np.float32)
    sizes[:40] = rng.integers(1, 40, (40, 2))  # small integers make ties
    rois = np.concatenate([np.zeros((150, 3), np.float32), sizes], axis=1)
    for area in (1, 16, 64, 100):
        got = Packing.dynamic(jt.array(rois), area).grids.numpy()
        assert [tuple(g) for g in got] == [choose_grid(float(w), float(h), area) for w, h in sizes], area
        turned = Packing.dynamic(jt.array(rois[:, [0, 1, 2, 4, 3]]), area).grids.numpy()
        assert np.array_equal(turned, got[:, ::-1]), "a transposed box gets the transposed grid"


def test_table_holds_the_largest_grid_of_every_ratio():
    table = grid_table(64).tolist()
    assert [8, 8] in table and [4, 12] in table and [1, 64] in table and [5, 5] not in table
    ratios = [w / h for h, w in table]
    assert ratios == sorted(set(ratios))
    assert grid_table(1).tolist() == [[1, 1]]


def test_equals_roi_align_of_the_grid(rng):
    features = jt.array(rng.standard_normal((2, 20, 30, 40)).astype(np.float32))
    rois = random_rois(rng, 30, 2, extent=200, largest=150).astype(np.float32)
    packed, offsets, grids = (v.numpy() for v in dynamic_sampler(features, jt.array(rois), 0.125))
    for k, (h, w) in enumerate(grids):
        one = roi_align(features, jt.array(rois[k : k + 1]), (int(h), int(w)), 0.125, 0, True).numpy()[0]
        np.testing.assert_allclose(packed[offsets[k] : offsets[k + 1]], one.reshape(20, -1).T, rtol=1e-4, atol=1e-4)


def test_bad_arguments():
    features, rois = jt.randn(1, 2, 5, 5), jt.array(np.array([[0, 0, 0, 4, 4]], np.float32))
    with pytest.raises(ValueError, match="max_area"):
        dynamic_sampler(features, rois, max_area=0)
    with pytest.raises(ValueError, match="grid"):
        dynamic_sampler(features, rois, grid=(0, 3))
