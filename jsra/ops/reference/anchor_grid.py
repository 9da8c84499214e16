"""Anchors on the grids of all levels in NumPy, level by level."""

import numpy as np


def anchor_grid(base, strides, sizes):
    """As jsra.ops.anchor_grid."""
    levels = []
    for own, stride, (h, w) in zip(base, strides, sizes):
        y, x = np.mgrid[:h, :w] * stride
        levels.append((np.stack([x, y, x, y], axis=-1)[:, :, None] + own).reshape(-1, 4))
    return np.concatenate(levels)


def anchor_valid(image_sizes, strides, sizes, anchors):
    """As jsra.ops.anchor_valid."""
    rows = []
    for width, height in image_sizes:
        flags = []
        for stride, (h, w) in zip(strides, sizes):
            inside = np.zeros((h, w, anchors), np.int32)
            inside[: -(-height // stride), : -(-width // stride)] = 1
            flags.append(inside.reshape(-1))
        rows.append(np.concatenate(flags))
    return np.stack(rows)
