"""RoI Align with the interface of the RoI layers: layer(features, rois, spatial_scale, levels) -> [K, C, h, w]."""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.registry import register


@register("roi_layer")
class RoIAlign(jt.nn.Module):
    """jsra.ops.roi_align with fixed settings. Defaults as in mmdet (mmcv): half-pixel centres, adaptive sampling.

    output_size: int or (rows, columns). sampling_ratio: samples per bin and axis, 0 for adaptive. aligned: half-pixel
    centres; False: the legacy rule. mode: 'avg' or 'max'.
    """

    def __init__(
        self, output_size: int | tuple[int, int] = 7, sampling_ratio: int = 0, aligned: bool = True, mode: str = "avg"
    ):
        super().__init__()
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.mode = mode

    def execute(self, features, rois, spatial_scale, levels=None):
        return ops.roi_align(
            features, rois, self.output_size, spatial_scale, self.sampling_ratio, self.aligned, self.mode, levels
        )
