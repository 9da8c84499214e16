"""Adaptive RoI Align ('Ada. RoI Align'; Jung et al. 2018, Real-Time MDNet) with the interface of the RoI layers."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.adaptive_roi_align import adaptive_roi_align
from jsra.registry import register


@register("roi_layer")
class AdaptiveRoIAlign(jt.nn.Module):
    """jsra.ops.adaptive_roi_align: layer(features, rois, spatial_scale, levels) -> [K, C, h, w].

    output_size: h and w, an int or (rows, columns). max_pool: sample (2 h + 1) x (2 w + 1) points, then max-pool windows of
    3 x 3 with stride 2; False: sample h x w points without pooling. The published module is used with pooling (7 x 7 points
    for 3 x 3 bins); the comparison in the Semantic RoI Align paper does not say which form it used.
    """

    def __init__(self, output_size: int | tuple[int, int] = 7, max_pool: bool = True):
        super().__init__()
        self.bins, self.max_pool = check.size_pair("output_size", output_size), bool(max_pool)
        self.pool = jt.nn.Pool(3, 2, op="maximum") if self.max_pool else None

    def execute(self, features, rois, spatial_scale, levels=None):
        points = tuple(2 * b + 1 for b in self.bins) if self.max_pool else self.bins
        out = adaptive_roi_align(features, rois, points, spatial_scale, levels)
        return self.pool(out) if self.max_pool and rois.shape[0] else out[:, :, : self.bins[0], : self.bins[1]]
