"""Multi-scale deformable attention, point by point."""

import numpy as np


def ms_deform_attn(value, locations, weights, sizes):
    """See jsra.ops.ms_deform_attn; NumPy arrays."""
    value = np.asarray(value, np.float64)
    batch, _, heads, depth = value.shape
    out = np.zeros((batch, locations.shape[1], heads, depth))
    for index in np.ndindex(*weights.shape):
        b, q, head, level, _ = index
        height, width = sizes[level]
        start = sum(h * w for h, w in sizes[:level])
        x, y = locations[index].astype(np.float64) * (width, height) - 0.5
        if not np.isfinite([x, y]).all():
            continue
        rows, columns = (np.maximum(0, 1 - np.abs(at - np.arange(n))) for at, n in ((y, height), (x, width)))
        cells = value[b, start : start + height * width, head].reshape(height, width, depth)
        out[b, q, head] += weights[index] * np.einsum("h,w,hwd->d", rows, columns, cells)
    return out
