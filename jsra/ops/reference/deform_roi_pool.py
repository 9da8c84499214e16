"""Deformable RoI pooling in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np

from jsra.ops.reference.roi_align import bilinear, level_of, valid_roi


def deform_roi_pool(
    input, rois, offset, output_size, spatial_scale=1.0, sampling_ratio=0, gamma=0.1, mask=None, levels=None
):
    """As jsra.ops.deform_roi_pool, on NumPy arrays in float64."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(rois), maps[0].shape[1], rows, columns))
    for k, roi in enumerate(rois):
        level = level_of(levels, k)
        if not valid_roi(roi, maps, level, empty=sampling_ratio > 0):
            continue
        image = maps[level][int(roi[0])].astype(np.float64)
        x0, y0, x1, y1 = roi[1:] * scales[level] - 0.5
        width, height = x1 - x0, y1 - y0
        ny = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(height / rows)), 1)
        nx = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(width / columns)), 1)
        for p in range(rows):
            for q in range(columns):
                dx, dy = (0, 0) if offset is None else gamma * offset[k, :, p, q] * (width, height)
                ys = y0 + dy + (p + (np.arange(ny) + 0.5) / ny) * height / rows
                xs = x0 + dx + (q + (np.arange(nx) + 0.5) / nx) * width / columns
                out[k, :, p, q] = np.mean([bilinear(image, y, x) for y in ys for x in xs], axis=0)
                if mask is not None:
                    out[k, :, p, q] *= mask[k, p, q]
    return out
