"""RoI pooling in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np

from jsra.ops.reference.roi_align import level_of, valid_roi


def _half_away(v):
    return int(np.sign(v) * np.floor(abs(v) + 0.5))


def _cells(start, end, bins, size):
    """The cells [begin, end) of each bin along one axis, clipped to the map; in float32, as in torchvision."""
    first, last = _half_away(start), _half_away(end)
    bin_size = np.float32(max(last - first + 1, 1)) / np.float32(bins)
    for p in range(bins):
        begin, stop = int(np.floor(np.float32(p) * bin_size)), int(np.ceil(np.float32(p + 1) * bin_size))
        yield min(max(first + begin, 0), size), min(max(first + stop, 0), size)


def roi_pool(input, boxes, output_size, spatial_scale=1.0, levels=None):
    """As jsra.ops.roi_pool, on NumPy arrays."""
    maps = input if isinstance(input, list) else [input]
    scales = spatial_scale if isinstance(spatial_scale, (list, tuple)) else [spatial_scale] * len(maps)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    out = np.zeros((len(boxes), maps[0].shape[1], rows, columns))
    for k, roi in enumerate(boxes):
        level = level_of(levels, k)
        if not valid_roi(roi, maps, level, empty=True):
            continue
        image = maps[level][int(roi[0])]
        x0, y0, x1, y1 = roi[1:] * scales[level]
        for p, (top, bottom) in enumerate(_cells(y0, y1, rows, image.shape[1])):
            for q, (left, right) in enumerate(_cells(x0, x1, columns, image.shape[2])):
                if bottom > top and right > left:
                    out[k, :, p, q] = image[:, top:bottom, left:right].max(axis=(1, 2))
    return out
