"""Resizes position tables for a model whose windows have another size than in its weights file."""

from __future__ import annotations

import math

import numpy as np

from jsra.ops.resample import bicubic

RELATIVE = "relative_position_bias_table"  # Swin's: [(2 w - 1) ^ 2, heads]


def fitted(shapes: dict, converted):
    """`converted` (jsra.convert.convert.Converted), with the tables of relative positions resized (bicubic) to the shapes of
    the model, {name: shape}, and a note in `reshaped`."""
    arrays, reshaped = dict(converted.arrays), dict(converted.reshaped)
    for name, shape in shapes.items():
        array = arrays.get(name)
        if not name.endswith(RELATIVE) or array is None or array.shape == tuple(shape) or array.shape[1:] != tuple(shape[1:]):
            continue
        old, new = math.isqrt(len(array)), math.isqrt(shape[0])
        if old**2 != len(array):
            continue
        arrays[name] = resized(array.reshape(old, old, -1), (new, new)).reshape(shape)
        reshaped[name] = f"resized from {old} x {old} to {new} x {new} relative positions"
    return converted._replace(arrays=arrays, reshaped=reshaped)


def resized(table, size):
    """[H, W, C] -> float32 [*size, C]. Source: torch.nn.functional.interpolate, mode 'bicubic', align_corners=False."""
    rows, columns = (bicubic(n, m) for n, m in zip(table.shape, size))
    return np.einsum("ah,bw,hwc->abc", rows, columns, table.astype(np.float64)).astype(np.float32)
