"""The outputs of chosen anchors in NumPy, from the maps laid out anchor by anchor."""

import numpy as np


def by_anchor(maps, depth=1):
    """Levels of [B, A * D, H, W] -> [B, N, D]: level, then position by rows, then anchor."""
    rows = []
    for m in maps:
        b, channels, h, w = m.shape
        rows.append(m.reshape(b, channels // depth, depth, h * w).transpose(0, 3, 1, 2).reshape(b, -1, depth))
    return np.concatenate(rows, axis=1)


def dense_gather(maps, index, depth=1):
    """As jsra.ops.dense_gather."""
    rows = by_anchor(maps, depth)
    there = (index >= 0) & (index < rows.shape[1])
    chosen = np.take_along_axis(rows, np.where(there, index, 0)[..., None], axis=1)
    return np.where(there[..., None], chosen, 0)
