"""The RoI feature extractor of a pyramid: levels, then the layer on all of them."""

from __future__ import annotations

import math

from jsra.export.levels import roi_levels
from jsra.export.roi_align import roi_align
from jsra.export.sra import semantic_roi_align
from jsra.roi.roi_align import RoIAlign


def extract(g, extractor, maps, boxes):
    """boxes [n, 4] in pixels -> [n, C, rows, columns], or [n, C, N] of Semantic RoI Align where N is no square."""
    strides, layer = extractor.featmap_strides, extractor.roi_layer
    maps = maps[: len(strides)]
    with g.scope("extractor"):
        levels = roi_levels(g, boxes, len(maps), extractor.finest_scale)
        if isinstance(layer, RoIAlign):
            return roi_align(g, layer, maps, boxes, levels, strides)
        features = semantic_roi_align(g, layer, maps, boxes, levels, strides)
        side = math.isqrt(layer.num_masks)
        if side * side != layer.num_masks:
            return features
        return g("Reshape", features, [0, 0, side, side])
