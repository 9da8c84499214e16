"""Adaptive RoI Align in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np

from jsra.ops.reference.roi_align import level_of, valid_roi


def weights(start, size, bins, cells):
    """[bins, cells]: the weight of each cell in each bin, along one axis."""
    table, bin_size = np.zeros((bins, cells)), (size + 1) / bins
    stride = max(1, int(np.floor(bin_size + 0.5)))
    for p in range(bins):
        v = start + p * bin_size
        if 0 <= v < cells:
            low = int(np.floor(v))
            table[p, low] += 1 - (v - low) / stride
            table[p, min(low + stride, cells - 1)] += (v - low) / stride
    return table


def adaptive_roi_align(input, rois, output_size, spatial_scale=1.0, levels=None):
    """As jsra.ops.adaptive_roi_align, on NumPy arrays in float64."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(rois), maps[0].shape[1], rows, columns))
    for k, roi in enumerate(rois):
        level = level_of(levels, k)
        if valid_roi(roi, maps, level):
            image = maps[level][int(roi[0])].astype(np.float64)
            x0, y0, x1, y1 = roi[1:] * scales[level]
            along_y, along_x = weights(y0, y1 - y0, rows, image.shape[1]), weights(x0, x1 - x0, columns, image.shape[2])
            out[k] = np.einsum("pi,cij,qj->cpq", along_y, image, along_x)
    return out
