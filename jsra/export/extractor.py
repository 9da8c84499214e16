"""The RoI feature extractor in the graph: assign levels, then run the layer on all RoIs."""

from __future__ import annotations

import math

from jsra.export.levels import roi_levels
from jsra.export.roi_align import roi_align
from jsra.export.sra import semantic_roi_align
from jsra.ops.check import size_pair
from jsra.roi.roi_align import RoIAlign


def extract(g, extractor, maps, boxes):
    """boxes [n, 4] in pixels -> [n, C, rows, columns], or [n, C, N] for Semantic RoI Align if N is not a square number."""
    strides, layer = extractor.featmap_strides, extractor.roi_layer
    maps = maps[: len(strides)]
    with g.scope("extractor"):
        levels = roi_levels(g, boxes, len(maps), extractor.finest_scale)
        if isinstance(layer, RoIAlign):
            return roi_align(g, layer, maps, boxes, levels, strides)
        features = semantic_roi_align(g, layer, maps, boxes, levels, strides)
        size = output_size(extractor)
        return g("Reshape", features, [0, 0, *size]) if len(size) == 2 else features


def output_size(extractor) -> tuple:
    """(rows, columns) of the features of an RoI; (N,) for Semantic RoI Align if N is not a square number."""
    layer = extractor.roi_layer
    if isinstance(layer, RoIAlign):
        return size_pair("output_size", layer.output_size)
    side = math.isqrt(layer.num_masks)
    return (side, side) if side * side == layer.num_masks else (layer.num_masks,)
