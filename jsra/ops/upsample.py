"""Upsampling of channels-first maps to any size."""

from __future__ import annotations

import functools

import jittor as jt
import numpy as np

from jsra.ops.bmm import bmm
from jsra.ops.linear import linear


def upsample_nearest(x, size):
    """[B, C, h, w] -> [B, C, size[0], size[1]]: position i reads floor(i * h / size[0]), as torch's mode 'nearest'."""
    b, c, h, w = x.shape
    if (h, w) == tuple(size):
        return x
    rows = jt.array((np.arange(size[0]) * h // size[0]).astype(np.int32))
    columns = jt.array((np.arange(size[1]) * w // size[1]).astype(np.int32))
    return x.reindex([b, c, size[0], size[1]], ["i0", "i1", "@e0(i2)", "@e1(i3)"], extras=[rows, columns])


def upsample_bilinear_corners(x, size):
    """[B, C, h, w] -> [B, C, *size], with aligned corners. Source: torch's interpolate, mode 'bilinear', align_corners=True.

    Two dense products, of the rows and of the columns, as in jsra.ops.resample.
    """
    b, c, h, w = x.shape
    if (h, w) == tuple(size):
        return x
    rows, columns = (jt.array(_shares(n, m)).stop_grad() for n, m in zip((h, w), size))
    x = linear(x.reshape(b * c * h, w), columns)
    return bmm(rows.reshape(1, *rows.shape), x.reshape(b * c, h, size[1])).reshape(b, c, *size)


@functools.lru_cache(64)
def _shares(n, m):
    """float32 [m, n]: the weight of input position j (of n) in output position i (of m)."""
    at = np.arange(m) * ((n - 1) / max(m - 1, 1))
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n))).astype(np.float32)
