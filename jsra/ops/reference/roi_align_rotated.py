"""RoI Align on rotated boxes in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np

from jsra.ops.reference.roi_align import bilinear, exists, level_of


def roi_align_rotated(
    input, rois, output_size, spatial_scale, sampling_ratio=0, aligned=True, clockwise=False, levels=None
):
    """As jsra.ops.roi_align_rotated, on NumPy arrays in float64."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(rois), maps[0].shape[1], rows, columns))
    for k, roi in enumerate(rois):
        level = level_of(levels, k)
        least = roi[3:5].min()
        if not exists(roi, maps, level) or least < 0 or (least == 0 and aligned and sampling_ratio <= 0):
            continue
        image = maps[level][int(roi[0])].astype(np.float64)
        cx, cy = roi[1:3] * scales[level] - (0.5 if aligned else 0.0)
        width, height = roi[3:5] * scales[level] if aligned else np.maximum(roi[3:5] * scales[level], 1.0)
        angle = -roi[5] if clockwise else roi[5]
        ny = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(height / rows)), 1)
        nx = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(width / columns)), 1)
        vs = ((np.arange(rows * ny) + 0.5) / (rows * ny) - 0.5) * height
        us = ((np.arange(columns * nx) + 0.5) / (columns * nx) - 0.5) * width
        for i, v in enumerate(vs):
            for j, u in enumerate(us):
                y = cy + v * np.cos(angle) - u * np.sin(angle)
                x = cx + v * np.sin(angle) + u * np.cos(angle)
                out[k, :, i // ny, j // nx] += bilinear(image, y, x) / (ny * nx)
    return out
