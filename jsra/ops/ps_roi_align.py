"""Position-sensitive RoI Align (Li et al. 2017, Light-Head R-CNN)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.scatter import SampleMaps


def position_sensitive_channels(channels: int, bins: tuple) -> int:
    """The number of output channels of a position-sensitive operator. Raises ValueError if the number of bins does not divide
    the number of the map's channels."""
    if channels % (bins[0] * bins[1]):
        raise ValueError(
            f"input: expected a multiple of {bins[0]} * {bins[1]} channels, one for each bin, got {channels}"
        )
    return channels // (bins[0] * bins[1])


def ps_roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, levels=None) -> jt.Var:
    """RoI Align (aligned, average) in which each bin reads its own channel.

    Bin (p, q) of output channel c reads input channel (c * rows + p) * columns + q.

    Args:
        input: features [B, C * rows * columns, H, W], or a list of them, the levels of a pyramid.
        boxes: RoIs [K, 5], (batch index, x0, y0, x1, y1) in image pixels; or a list of [L, 4], one for each image.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        sampling_ratio: samples per bin and axis; 0 or less is adaptive, as for roi_align.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros, and no gradient, for an invalid RoI (see roi_align). A box of zero width or height
        is sampled as by roi_align.
    Raises: ValueError for a wrong rank, dtype or number of channels.
    Source: torchvision.ops.ps_roi_align, with the same arguments, except `levels`.
    """
    boxes = check.roi_rows("boxes", boxes, input)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, boxes.shape[0])
    boxes = check.rois("boxes", boxes, maps[0])
    bins = check.size_pair("output_size", output_size)
    settings = dict(
        scales=scales, count=boxes.shape[0], bins_y=bins[0], bins_x=bins[1], sampling_ratio=check.samples(sampling_ratio)
    )
    channels = position_sensitive_channels(maps[0].shape[1], bins)
    return SampleMaps.apply("ps_roi_align", boxes, levels, channels, settings, *maps)


class PSRoIAlign(jt.nn.Module):
    """`ps_roi_align` with fixed settings, as torchvision.ops.PSRoIAlign."""

    def __init__(self, output_size, spatial_scale, sampling_ratio):
        super().__init__()
        self.settings = (output_size, spatial_scale, sampling_ratio)

    def execute(self, input, rois):
        return ps_roi_align(input, rois, *self.settings)
