"""Position-sensitive RoI pooling (Dai et al. 2016, R-FCN)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.ps_roi_align import position_sensitive_channels
from jsra.ops.scatter import SampleMaps


def ps_roi_pool(input, boxes, output_size, spatial_scale=1.0, levels=None) -> jt.Var:
    """The mean over the whole cells of each bin, where each bin reads its own channel.

    The rules are torchvision's: corners are rounded to cells (half away from zero), a box is at least one cell long, bins can
    share a cell, and both ends of a bin are clipped to size - 1, so that the last row and column are never read.
    Bin (p, q) of output channel c reads input channel (c * rows + p) * columns + q.

    Args:
        input: features [B, C * rows * columns, H, W], or a list of them, the levels of a pyramid.
        boxes: RoIs [K, 5], (batch index, x0, y0, x1, y1) in image pixels; or a list of [L, 4], one for each image.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros, and no gradient, for an invalid RoI (see roi_align) and for an empty bin.
    Raises: ValueError for a wrong rank, dtype or number of channels.
    Source: torchvision.ops.ps_roi_pool, with the same arguments, except `levels`. Its gradient clips bins to size, not to
        size - 1 as its output does; here the gradient is that of the output.
    """
    boxes = check.roi_rows("boxes", boxes, input)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, boxes.shape[0])
    boxes = check.rois("boxes", boxes, maps[0])
    bins = check.size_pair("output_size", output_size)
    settings = dict(scales=scales, count=boxes.shape[0], bins_y=bins[0], bins_x=bins[1])
    channels = position_sensitive_channels(maps[0].shape[1], bins)
    return SampleMaps.apply("ps_roi_pool", boxes, levels, channels, settings, *maps)


class PSRoIPool(jt.nn.Module):
    """`ps_roi_pool` with fixed settings, as torchvision.ops.PSRoIPool."""

    def __init__(self, output_size, spatial_scale):
        super().__init__()
        self.settings = (output_size, spatial_scale)

    def execute(self, input, rois):
        return ps_roi_pool(input, rois, *self.settings)
