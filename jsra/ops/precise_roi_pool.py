"""Precise RoI pooling (Jiang et al. 2018, IoU-Net)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.scatter import SLOPES, box_dtype, map_sizes, maps_scratch, window_outputs


def precise_roi_pool(input, rois, output_size, spatial_scale=1.0, levels=None) -> jt.Var:
    """The mean of the bilinearly interpolated map over each bin, as an exact integral, without sampling.

    Cell i is at coordinate i (no half-cell shift), and the interpolated map decreases to 0 within one cell outside:

        out[k, c, p, q] = (integral over the bin of  sum_ij map[c, i, j] tri(y - i) tri(x - j)  dy dx) / area of the bin
        tri(t) = max(0, 1 - |t|)

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        rois: [K, 5], (batch index, x0, y0, x1, y1) in image pixels.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros, and no gradient, for an invalid RoI (see roi_align) and for a box of zero
        width or height. Gradients: to the features and to the box coordinates.
    Raises: ValueError for a wrong rank or dtype.
    Source: arXiv:1807.11590 section 3.2.
    """
    check.var("rois", rois, rank=2, last=5)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, rois.shape[0])
    rois = check.rois("rois", rois, maps[0])
    bins = check.size_pair("output_size", output_size)
    settings = dict(scales=scales, count=rois.shape[0], bins_y=bins[0], bins_x=bins[1])
    return _PreciseRoiPool.apply(rois, levels, settings, *maps)


class _PreciseRoiPool(jt.Function):
    def execute(self, rois, levels, settings, *maps):
        self.inputs = rois, levels
        self.maps, self.dtype = list(maps), str(maps[0].dtype)
        sizes = map_sizes(maps)
        self.sizes = {**sizes, **settings}
        out = ((settings["count"], sizes["channels"], settings["bins_y"], settings["bins_x"]), self.dtype)
        outputs = [out, maps_scratch(maps)]
        return run("precise_roi_pool", "forward", [self.maps, *self.inputs], outputs, **self.sizes)[0]

    def grad(self, dout):
        s, other = self.sizes, box_dtype(self.dtype)
        outputs = window_outputs(s, dout) + [
            ((s["count"], s["bins_y"] * s["bins_x"], SLOPES), other),
            ((s["count"], 5), other),
        ]
        results = run("precise_roi_pool", "backward", [dout, self.maps, *self.inputs], outputs, **s)
        return (results[-1], None, None) + tuple(results[: len(self.maps)])


class PreciseRoIPool(jt.nn.Module):
    """`precise_roi_pool` with fixed settings; call it with (input, rois)."""

    def __init__(self, output_size, spatial_scale=1.0):
        super().__init__()
        self.settings = (output_size, spatial_scale)

    def execute(self, input, rois):
        return precise_roi_pool(input, rois, *self.settings)
