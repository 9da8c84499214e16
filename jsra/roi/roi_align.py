"""RoI Align behind the interface of the RoI layers: layer(features, rois, spatial_scale, levels) -> [K, C, h, w]."""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.registry import register
from jsra.roi.levels import pixels_per_cell


@register("roi_layer")
class RoIAlign(jt.nn.Module):
    """jsra.ops.roi_align with its settings fixed; the defaults are mmdet's (mmcv's): half-pixel centres, adaptive sampling.

    output_size: int or (rows, columns). sampling_ratio: samples per bin and axis, 0 for adaptive. mode: 'avg' or 'max'.
    """

    def __init__(self, output_size=7, sampling_ratio=0, aligned=True, mode="avg"):
        super().__init__()
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.mode = mode

    def execute(self, features, rois, spatial_scale, levels=None):
        return ops.roi_align(
            features, rois, self.output_size, spatial_scale, self.sampling_ratio, self.aligned, self.mode, levels
        )


@register("roi_layer")
class ROIAlign(RoIAlign):
    """JDet's layer and arguments. Neither version shifts by half a pixel; version 0 is the legacy rule (aligned=False),
    version 1 adds 1 to x1 and y1 and has no least size."""

    def __init__(self, output_size=7, sampling_ratio=0, version=0):
        super().__init__(output_size, sampling_ratio, aligned=version == 1)
        if version not in (0, 1):
            raise ValueError(f"ROIAlign: version must be 0 or 1, got {version!r}")
        self.version = version

    def execute(self, features, rois, spatial_scale, levels=None):
        if self.version == 1:
            # aligned=True has no least size, but a shift of half a cell, which is undone here.
            half = 0.5 * pixels_per_cell(spatial_scale, levels)
            rois = jt.concat([rois[:, :1], rois[:, 1:3] + half, rois[:, 3:] + (half + 1)], dim=1)
        return super().execute(features, rois, spatial_scale, levels)
