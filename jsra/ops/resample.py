"""Resizes channels-last maps by two matrix products, one for the rows and one for the columns.

Both are dense products of `bmm`, which libraries compute fast, and so are their gradients: without a scatter, two runs give
the same bits.
"""

from __future__ import annotations

import functools

import jittor as jt
import numpy as np

from jsra.ops.bmm import bmm


def upsample_bilinear(x, size) -> jt.Var:
    """[B, h, w, C] -> [B, *size, C]. Source: torch.nn.functional.interpolate, mode 'bilinear', align_corners=False."""
    return _resample(x, *(_bilinear(n, m) for n, m in zip(x.shape[1:3], size)))


def upsample_bicubic(x, size) -> jt.Var:
    """[B, h, w, C] -> [B, *size, C]. Source: torch.nn.functional.interpolate, mode 'bicubic', align_corners=False."""
    return _resample(x, *(bicubic(n, m).astype(np.float32) for n, m in zip(x.shape[1:3], size)))


def average_pool(x, stride) -> jt.Var:
    """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), C]: the means of windows of stride x stride.

    Windows at the bottom and right edges are cut at the border. Source: torch.nn.functional.avg_pool2d with ceil_mode=True.
    """
    return _resample(x, *(_windows(n, stride) for n in x.shape[1:3]))


def adaptive_average_pool(x, size) -> jt.Var:
    """[B, H, W, C] -> [B, size, size, C]. Source: torch.nn.functional.adaptive_avg_pool2d."""
    return _resample(x, *(_adaptive(n, size) for n in x.shape[1:3]))


def _resample(x, rows, columns):
    """x [B, H, W, C], rows [H', H], columns [W', W] -> [B, H', W', C]."""
    b, h, w, c = x.shape
    if len(rows) != h or (rows != np.eye(h)).any():
        x = bmm(jt.array(rows[None]).stop_grad(), x.reshape(b, h, w * c))
    if len(columns) != w or (columns != np.eye(w)).any():
        x = bmm(jt.array(columns[None]).stop_grad(), x.reshape(b * len(rows), w, c))
    return x.reshape(b, len(rows), len(columns), c)


@functools.lru_cache(64)
def _bilinear(n, m):
    position = np.maximum((np.arange(m) + 0.5) * n / m - 0.5, 0)
    low = position.astype(int)
    matrix = np.zeros((m, n), np.float32)
    np.add.at(matrix, (np.arange(m), low), 1 - (position - low))
    np.add.at(matrix, (np.arange(m), np.minimum(low + 1, n - 1)), position - low)
    return matrix


@functools.lru_cache(64)
def bicubic(n, m):
    """float64 [m, n]: the weight of input position j (of n) in output position i (of m), from Keys' kernel with a = -0.75;
    edge values are repeated."""
    at = (np.arange(m) + 0.5) * n / m - 0.5
    low = np.floor(at).astype(int)
    matrix = np.zeros((m, n))
    for tap in range(-1, 3):
        d = np.abs(at - low - tap)
        near, far = (1.25 * d - 2.25) * d * d + 1, ((-0.75 * d + 3.75) * d - 6) * d + 3
        np.add.at(matrix, (np.arange(m), np.clip(low + tap, 0, n - 1)), np.where(d <= 1, near, far))
    return matrix


@functools.lru_cache(64)
def _windows(n, stride):
    return _means(n, [(i, min(i + stride, n)) for i in range(0, n, stride)])


@functools.lru_cache(64)
def _adaptive(n, size):
    return _means(n, [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)])


def _means(n, spans):
    matrix = np.zeros((len(spans), n), np.float32)
    for row, (begin, end) in zip(matrix, spans):
        row[begin:end] = 1 / (end - begin)
    return matrix
