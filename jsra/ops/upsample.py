"""Nearest-neighbour upsampling to any size."""

from __future__ import annotations

import jittor as jt
import numpy as np


def upsample_nearest(x, size):
    """[B, C, h, w] -> [B, C, size[0], size[1]]: position i reads floor(i * h / size[0]), as torch's mode 'nearest'."""
    b, c, h, w = x.shape
    if (h, w) == tuple(size):
        return x
    rows = jt.array((np.arange(size[0]) * h // size[0]).astype(np.int32))
    columns = jt.array((np.arange(size[1]) * w // size[1]).astype(np.int32))
    return x.reindex([b, c, size[0], size[1]], ["i0", "i1", "@e0(i2)", "@e1(i3)"], extras=[rows, columns])
