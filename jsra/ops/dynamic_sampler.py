"""The Dynamic Feature Sampler of Semantic RoI Align (arXiv:2312.09609, eq. 5)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.packing import Packing
from jsra.ops.scatter import gradient_outputs, map_sizes, maps_scratch


def dynamic_sampler(input, boxes, spatial_scale=1.0, max_area=64, grid=None, sampling_ratio=0, levels=None):
    """Sample each box on a grid with the aspect ratio of the box; all boxes in one packed array.

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        boxes: RoIs [K, 5], (batch index, x0, y0, x1, y1) in image pixels.
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        max_area: M, the largest number of positions of a box. The grid of a box is, among the grids (h, w) with h * w <= M,
            the one whose aspect ratio w / h is closest to that of the box (in logarithms); among several, the largest. Sides
            below 1e-6 count as 1e-6, and a box that is not finite counts as a square.
        grid: an int or (rows, columns): use this grid for every box instead.
        sampling_ratio: samples per block and axis; 0 or less is adaptive, as for roi_align.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: (features [T, C], offsets int32 [K + 1], grids int32 [K, 2]). RoI k has the positions offsets[k] to
        offsets[k + 1], its rows * columns blocks row by row. Each value is the mean of the block, the same as from
        roi_align(aligned=True) with output size (rows, columns).
    Raises: ValueError for a wrong rank or dtype.
    """
    maps, scales, levels, boxes = check_sampler(input, boxes, spatial_scale, levels)
    packing = make_packing(boxes, max_area, grid)
    return sample(maps, boxes, scales, levels, packing, sampling_ratio), packing.offsets, packing.grids


def check_sampler(input, boxes, spatial_scale, levels):
    """Check the arguments; returns (maps, scales, levels, boxes)."""
    check.var("boxes", boxes, rank=2, last=5)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, boxes.shape[0])
    return maps, scales, levels, check.rois("boxes", boxes, maps[0])


def make_packing(boxes, max_area, grid) -> Packing:
    """The packing of boxes [K, 5], with grids from their aspect ratios, or with `grid` for all."""
    if grid is not None:
        return Packing.fixed(boxes, check.size_pair("grid", grid))
    if int(max_area) != max_area or max_area < 1:
        raise ValueError(f"max_area: expected an integer of at least 1, got {max_area!r}")
    return Packing.dynamic(boxes, int(max_area))


def sample(maps, boxes, scales, levels, packing, sampling_ratio) -> jt.Var:
    """Features [T, C] at the positions of a packing; maps, boxes, scales, levels: as returned by check_sampler."""
    return _DynamicSampler.apply(boxes, levels, scales, packing, check.samples(sampling_ratio), *maps)


class _DynamicSampler(jt.Function):
    def execute(self, boxes, levels, scales, packing, sampling_ratio, *maps):
        self.inputs = boxes, levels, packing.grids, packing.offsets
        self.map_sizes, self.dtype = map_sizes(maps), str(maps[0].dtype)
        self.sizes = dict(
            self.map_sizes, scales=scales, count=packing.count, sides=packing.row_col_total, sampling_ratio=sampling_ratio
        )
        out = ((packing.total, maps[0].shape[1]), self.dtype)
        outputs = [out, maps_scratch(maps)]
        return run("dynamic_sampler", "forward", [list(maps), *self.inputs], outputs, **self.sizes)[0]

    def grad(self, dout):
        outputs = gradient_outputs(self.map_sizes, self.dtype)[:1]
        results = run("dynamic_sampler", "backward", [dout, *self.inputs], outputs, **self.sizes)
        return (None,) * 5 + (tuple(results) if len(outputs[0]) > 1 else (results,))
