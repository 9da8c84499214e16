"""RoI Align on rotated boxes (Ma et al. 2018, RRPN; Ding et al. 2019, RoI Transformer)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.scatter import SampleMaps


def roi_align_rotated(
    input, rois, output_size, spatial_scale, sampling_ratio=0, aligned=True, clockwise=False, levels=None
) -> jt.Var:
    """RoI Align (average) in the frame of a rotated box.

    A sample (u, v) of the upright box, measured from its centre (cx, cy), reads the map at
    (cx + u cos a + v sin a, cy + v cos a - u sin a), where a is the angle (its negative if clockwise).

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        rois: [K, 6], (batch index, centre x, centre y, width, height in image pixels, angle in radians).
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        sampling_ratio: samples per bin and axis; 0 or less is adaptive: one for each cell that the bin covers, rounded up
            (at most 1024).
        aligned: True: cell centres are at half-integers; False: the legacy rule, with RoIs of at least one cell.
        clockwise: whether positive angles turn clockwise.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros, and no gradient, for an invalid RoI (see roi_align). A box of zero width or height
        is sampled as by roi_align.
    Raises: ValueError for a wrong rank or dtype.
    Source: mmcv.ops.roi_align_rotated, with the same arguments, except `levels`.
    """
    check.var("rois", rois, rank=2, last=6)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, rois.shape[0])
    rois = check.rois("rois", rois, maps[0], columns=6)
    rows, columns = check.size_pair("output_size", output_size)
    settings = dict(
        scales=scales,
        count=rois.shape[0],
        bins_y=rows,
        bins_x=columns,
        sampling_ratio=check.samples(sampling_ratio),
        aligned=check.flag("aligned", aligned),
        clockwise=check.flag("clockwise", clockwise),
    )
    return SampleMaps.apply("roi_align_rotated", rois, levels, maps[0].shape[1], settings, *maps)


class RoIAlignRotated(jt.nn.Module):
    """`roi_align_rotated` with fixed settings, as mmcv.ops.RoIAlignRotated; call it with (input, rois)."""

    def __init__(self, output_size, spatial_scale, sampling_ratio=0, aligned=True, clockwise=False):
        super().__init__()
        self.settings = (output_size, spatial_scale, sampling_ratio, aligned, clockwise)

    def execute(self, input, rois):
        return roi_align_rotated(input, rois, *self.settings)
