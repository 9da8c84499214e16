"""RoI pooling with the interface of the RoI layers."""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.registry import register


@register("roi_layer")
class RoIPool(jt.nn.Module):
    """jsra.ops.roi_pool with a fixed output size, an int or (rows, columns)."""

    def __init__(self, output_size: int | tuple[int, int] = 7):
        super().__init__()
        self.output_size = output_size

    def execute(self, features, rois, spatial_scale, levels=None):
        return ops.roi_pool(features, rois, self.output_size, spatial_scale, levels)
