"""Precise RoI pooling in NumPy, by another method than the kernels: differences of the triangle's antiderivative."""

import numpy as np

from jsra.ops.reference.roi_align import level_of, valid_roi


def ramp(t):
    """The integral of max(0, 1 - |s|) for s from minus infinity to t."""
    t = np.clip(t, -1, 1)
    return np.where(t < 0, (t + 1) ** 2 / 2, 1 - (1 - t) ** 2 / 2)


def precise_roi_pool(input, rois, output_size, spatial_scale=1.0, levels=None):
    """As jsra.ops.precise_roi_pool, on NumPy arrays in float64."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(rois), maps[0].shape[1], rows, columns))
    for k, roi in enumerate(rois):
        level = level_of(levels, k)
        if not valid_roi(roi, maps, level):
            continue
        image = maps[level][int(roi[0])].astype(np.float64)
        x0, y0, x1, y1 = roi[1:].astype(np.float64) * scales[level]
        ys, xs = np.linspace(y0, y1, rows + 1), np.linspace(x0, x1, columns + 1)
        along_y = np.diff(ramp(ys[:, None] - np.arange(image.shape[1])), axis=0) / np.diff(ys)[:, None]
        along_x = np.diff(ramp(xs[:, None] - np.arange(image.shape[2])), axis=0) / np.diff(xs)[:, None]
        out[k] = np.einsum("pi,cij,qj->cpq", along_y, image, along_x)
    return out
