"""Adaptive RoI Align (Jung et al. 2018, Real-Time MDNet)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.scatter import SampleMaps


def adaptive_roi_align(input, rois, output_size, spatial_scale=1.0, levels=None) -> jt.Var:
    """One bilinear sample per bin, at its corner; the distance of its taps is the width of the bin.

    On the feature map, an RoI is x1 - x0 + 1 cells wide and a bin 1 / columns of that; the taps of a coordinate v are the
    cells floor(v) and floor(v) + s, s = max(1, the bin's width rounded), with weights 1 - d / s and d / s,
    d = v - floor(v); a coordinate outside [0, width) gives 0. Along y likewise.

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        rois: [K, 5], (batch index, x0, y0, x1, y1) in image pixels.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros, and no gradient, for an invalid RoI (see roi_align) and for a box of zero
        width or height.
    Raises: ValueError for a wrong rank or dtype.
    Source: arXiv:1808.08834 and its code (IlchaeJung/RT-MDNet), except at the border: its second tap reads past the map;
        here it stays on the last cell.
    """
    check.var("rois", rois, rank=2, last=5)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, rois.shape[0])
    rois = check.rois("rois", rois, maps[0])
    rows, columns = check.size_pair("output_size", output_size)
    settings = dict(scales=scales, count=rois.shape[0], bins_y=rows, bins_x=columns)
    return SampleMaps.apply("adaptive_roi_align", rois, levels, maps[0].shape[1], settings, *maps)


class AdaptiveRoIAlign(jt.nn.Module):
    """`adaptive_roi_align` with fixed settings; call it with (input, rois)."""

    def __init__(self, output_size, spatial_scale=1.0):
        super().__init__()
        self.settings = (output_size, spatial_scale)

    def execute(self, input, rois):
        return adaptive_roi_align(input, rois, *self.settings)
