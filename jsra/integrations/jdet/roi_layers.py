"""JDet's RoI Align layers with JDet's names and the interface of jsra's RoI layers.

They are registered only when jsra is used inside JDet, because `ROIAlign` and jsra's `RoIAlign` differ only in the case of a
letter but follow different rules.
"""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.registry import register
from jsra.roi.levels import pixels_per_cell
from jsra.roi.roi_align import RoIAlign


@register("roi_layer")
class ROIAlign(RoIAlign):
    """JDet's layer and arguments. Neither version shifts by half a pixel. Version 0 is the legacy rule (aligned=False);
    version 1 adds 1 to x1 and y1 and has no minimum size."""

    def __init__(self, output_size: int | tuple[int, int] = 7, sampling_ratio: int = 0, version: int = 0):
        super().__init__(output_size, sampling_ratio, aligned=version == 1)
        if version not in (0, 1):
            raise ValueError(f"ROIAlign: version must be 0 or 1, got {version!r}")
        self.version = version

    def execute(self, features, rois, spatial_scale, levels=None):
        if self.version == 1:
            # aligned=True has no minimum size, but a shift of half a cell, which is undone here.
            half = 0.5 * pixels_per_cell(spatial_scale, levels)
            rois = jt.concat([rois[:, :1], rois[:, 1:3] + half, rois[:, 3:] + (half + 1)], dim=1)
        return super().execute(features, rois, spatial_scale, levels)


@register("roi_layer")
class ROIAlignRotated(jt.nn.Module):
    """JDet's layer of this name for rotated RoIs: no half-pixel shift, sides of at least one cell."""

    aligned, clockwise = False, True

    def __init__(self, output_size: int | tuple[int, int] = 7, sampling_ratio: int = 0):
        super().__init__()
        self.output_size, self.sampling_ratio = output_size, sampling_ratio

    def execute(self, features, rois, spatial_scale, levels=None):
        """features: maps; rois: [K, 6] -> [K, C, h, w]."""
        return ops.roi_align_rotated(
            features, rois, self.output_size, spatial_scale, self.sampling_ratio, self.aligned, self.clockwise, levels
        )


@register("roi_layer")
class ROIAlignRotated_v1(ROIAlignRotated):
    """JDet's layer of this name: with the half-pixel shift, and angles in the opposite direction."""

    aligned, clockwise = True, False

    def execute(self, features, rois, spatial_scale, levels=None):
        sides = jt.maximum(rois[:, 3:5], pixels_per_cell(spatial_scale, levels))
        return super().execute(features, jt.concat([rois[:, :3], sides, rois[:, 5:]], dim=1), spatial_scale, levels)
