"""Precise RoI Align ('Pr. RoI Align'; Jiang et al. 2018) with the interface of the RoI layers."""

from __future__ import annotations

import jittor as jt

from jsra.ops.precise_roi_pool import precise_roi_pool
from jsra.registry import register


@register("roi_layer")
class PreciseRoIAlign(jt.nn.Module):
    """jsra.ops.precise_roi_pool: layer(features, rois, spatial_scale, levels) -> [K, C, h, w]; differentiable in the rois.
    output_size: h and w, an int or (rows, columns)."""

    def __init__(self, output_size: int | tuple[int, int] = 7):
        super().__init__()
        self.output_size = output_size

    def execute(self, features, rois, spatial_scale, levels=None):
        return precise_roi_pool(features, rois, self.output_size, spatial_scale, levels)
