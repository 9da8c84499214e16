"""Boxes in the graph: decoding of deltas, and the best of a list."""

from __future__ import annotations

import numpy as np


def decode(g, coder, references, deltas, limits):
    """references [..., 4], deltas [..., 4] -> boxes, as in jsra.ops.decode_boxes. limits: float32 [4], see image_limits."""
    if set(coder.stds) != {1.0}:
        deltas = g("Mul", deltas, np.float32(coder.stds))
    if set(coder.means) != {0.0}:
        deltas = g("Add", deltas, np.float32(coder.means))
    (low, high), (moved, scaled) = g.halves(references), g.halves(deltas)
    side = g("Sub", high, low)
    centre = g("Add", g("Mul", g("Add", low, high), 0.5), g("Mul", side, moved))
    scaled = g("Clip", scaled, -coder.max_log_ratio, coder.max_log_ratio)
    half = g("Mul", g("Mul", side, g("Exp", scaled)), 0.5)
    boxes = g("Concat", g("Sub", centre, half), g("Add", centre, half), axis=-1)
    return g("Min", g("Max", boxes, 0.0), limits) if coder.clip_border else boxes


def image_limits(g, image):
    """float32 [4]: width, height, width, height of the image [1, 3, H, W], to which boxes are clipped."""
    return g.cast(g("Gather", g("Shape", image), [3, 2, 3, 2]), "float32")


def top(g, values, most: int):
    """(values, indices) of the `most` largest of [n] (or of all), in decreasing order; equal ones by increasing index."""
    return g("TopK", values, g("Min", g.size(values, 0), [most]), axis=0, outputs=2)


def nms(g, boxes, scores, most: int, iou_threshold: float, score_threshold: float):
    """int64 [m, 3] (batch, class, index) from boxes [b, n, 4], scores [b, c, n]: NMS within each batch item and class, of
    scores above the threshold, at most `most` for each."""
    return g("NonMaxSuppression", boxes, scores, [most], np.float32([iou_threshold]), np.float32([score_threshold]))


def column(g, rows, index: int):
    """Column `index` of [m, c], as [m]."""
    return g("Gather", rows, index, axis=1)
