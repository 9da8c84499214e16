"""RoI Align in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np


def bilinear(plane, y, x):
    """The values [C] of planes [C, H, W] at (y, x), with cell i at coordinate i; 0 more than one cell outside."""
    height, width = plane.shape[-2:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(plane.shape[0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(np.floor(y)), int(np.floor(x))
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    top = plane[:, y0, x0] * (1 - (x - x0)) + plane[:, y0, x1] * (x - x0)
    bottom = plane[:, y1, x0] * (1 - (x - x0)) + plane[:, y1, x1] * (x - x0)
    return top * (1 - (y - y0)) + bottom * (y - y0)


def level_of(levels, k):
    """The level of RoI k; 0 if there is only one map."""
    return 0 if levels is None else int(levels[k])


def exists(roi, maps, level):
    """Whether an RoI is finite and its image and level exist."""
    return bool(np.isfinite(roi).all() and 0 <= roi[0] < len(maps[0]) and 0 <= level < len(maps))


def valid_roi(roi, maps, level, empty=False):
    """Whether an RoI (batch, x0, y0, x1, y1) is valid: it exists, is not inverted, and has a width and a height (unless the
    operator accepts `empty` boxes)."""
    width, height = roi[3] - roi[1], roi[4] - roi[2]
    return exists(roi, maps, level) and bool((width > 0 and height > 0) or (empty and width >= 0 and height >= 0))


def roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False, mode="avg", levels=None):
    """As jsra.ops.roi_align, on NumPy arrays in float64."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(boxes), maps[0].shape[1], rows, columns))
    for k, roi in enumerate(boxes):
        level = level_of(levels, k)
        if not valid_roi(roi, maps, level, empty=not aligned or sampling_ratio > 0):
            continue
        image = maps[level][int(roi[0])].astype(np.float64)
        x0, y0, x1, y1 = roi[1:] * scales[level] - (0.5 if aligned else 0.0)
        width, height = x1 - x0, y1 - y0
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        bin_h, bin_w = height / rows, width / columns
        samples_y = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(bin_h)), 1)
        samples_x = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(bin_w)), 1)
        for p in range(rows):
            for q in range(columns):
                values = [
                    bilinear(
                        image,
                        y0 + p * bin_h + (i + 0.5) * bin_h / samples_y,
                        x0 + q * bin_w + (j + 0.5) * bin_w / samples_x,
                    )
                    for i in range(samples_y)
                    for j in range(samples_x)
                ]
                out[k, :, p, q] = np.max(values, axis=0) if mode == "max" else np.mean(values, axis=0)
    return out
