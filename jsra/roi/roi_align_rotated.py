"""JDet's RoI Align layers on rotated RoIs, behind the interface of the RoI layers."""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.registry import register
from jsra.roi.levels import pixels_per_cell


@register("roi_layer")
class ROIAlignRotated(jt.nn.Module):
    """JDet's layer of this name on rotated RoIs: no half-pixel shift, sides of at least one cell."""

    aligned, clockwise = False, True

    def __init__(self, output_size=7, sampling_ratio=0):
        super().__init__()
        self.output_size, self.sampling_ratio = output_size, sampling_ratio

    def execute(self, features, rois, spatial_scale, levels=None):
        """features: maps; rois: [K, 6] -> [K, C, h, w]."""
        return ops.roi_align_rotated(
            features, rois, self.output_size, spatial_scale, self.sampling_ratio, self.aligned, self.clockwise, levels
        )


@register("roi_layer")
class ROIAlignRotated_v1(ROIAlignRotated):
    """JDet's layer of this name: with the half-pixel shift, and the other sense of the angle."""

    aligned, clockwise = True, False

    def execute(self, features, rois, spatial_scale, levels=None):
        sides = jt.maximum(rois[:, 3:5], pixels_per_cell(spatial_scale, levels))
        return super().execute(features, jt.concat([rois[:, :3], sides, rois[:, 5:]], dim=1), spatial_scale, levels)
