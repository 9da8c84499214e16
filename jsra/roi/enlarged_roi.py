"""RoI features of a larger region around each box, through any RoI layer."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.registry import register


@register("roi_layer")
class EnlargedRoI(nn.Module):
    """Runs roi_layer on boxes enlarged to `area` times their area, with the same centre and aspect ratio: for other layers,
    the support 'twice the RoI' of Learned Region Features (Gu et al. 2018, table 2). Inputs and outputs are those of
    roi_layer."""

    def __init__(self, roi_layer: part.roi_layer, area: float = 2.0):
        super().__init__()
        if area <= 0:
            raise ValueError(f"EnlargedRoI: area must be positive, got {area}")
        self.roi_layer = roi_layer
        self.area = area

    def execute(self, features, rois, spatial_scale, levels=None):
        centre, half = (rois[:, 1:3] + rois[:, 3:5]) / 2, (rois[:, 3:5] - rois[:, 1:3]) * (self.area**0.5 / 2)
        enlarged = jt.concat([rois[:, :1], centre - half, centre + half], dim=1)
        return self.roi_layer(features, enlarged, spatial_scale, levels)
