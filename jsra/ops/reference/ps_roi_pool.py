"""Position-sensitive RoI pooling in NumPy, from its definition: the slow oracle of the tests."""

from fractions import Fraction
from math import ceil, floor

import numpy as np

from jsra.ops.reference.roi_align import level_of, valid_roi


def bins_of(first, last, bins, cells):
    """(begin, end) of each bin in cells, from exact fractions, clipped to the last cell, which is thus never inside."""

    def nearest(v):
        return int(np.sign(v) * np.floor(abs(v) + 0.5))

    start, length = nearest(first), max(nearest(last) - nearest(first), 1)
    edges = [
        (start + floor(Fraction(p * length, bins)), start + ceil(Fraction((p + 1) * length, bins))) for p in range(bins)
    ]
    return [tuple(min(max(edge, 0), cells - 1) for edge in pair) for pair in edges]


def ps_roi_pool(input, boxes, output_size, spatial_scale=1.0, levels=None):
    """As jsra.ops.ps_roi_pool, on NumPy arrays in float64."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(boxes), maps[0].shape[1] // (rows * columns), rows, columns))
    for k, roi in enumerate(boxes):
        level = level_of(levels, k)
        if not valid_roi(roi, maps, level, empty=True):
            continue
        image = maps[level][int(roi[0])].astype(np.float64).reshape(-1, rows, columns, *maps[level].shape[2:])
        x0, y0, x1, y1 = roi[1:] * scales[level]
        for p, (top, bottom) in enumerate(bins_of(y0, y1, rows, image.shape[3])):
            for q, (left, right) in enumerate(bins_of(x0, x1, columns, image.shape[4])):
                if bottom > top and right > left:
                    out[k, :, p, q] = image[:, p, q, top:bottom, left:right].mean(axis=(1, 2))
    return out
