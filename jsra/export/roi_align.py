"""RoI Align in the graph, by ONNX's own operator."""

from __future__ import annotations

from jsra.export.levels import by_level
from jsra.ops.check import size_pair


def roi_align(g, layer, maps, boxes, levels, strides):
    """boxes [n, 4] in pixels -> [n, C, rows, columns]; levels int64 [n]: the map that each box reads."""
    size = layer.output_size

    def read(level, x, rows):
        return sample(g, x, rows, size, layer.sampling_ratio, 1.0 / strides[level], layer.aligned)

    return by_level(g, boxes, levels, maps, read)


def sample(g, x, boxes, size, sampling_ratio: int, scale: float, aligned: bool = True):
    """x [1, C, H, W], boxes [n, 4] -> [n, C, *size]."""
    rows, columns = size_pair("output_size", size)
    image = g("Expand", 0, g.size(boxes, 0))
    return g(
        "RoiAlign", x, boxes, image, mode="avg", output_height=rows, output_width=columns,
        sampling_ratio=max(0, sampling_ratio), spatial_scale=scale,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )  # fmt: skip
