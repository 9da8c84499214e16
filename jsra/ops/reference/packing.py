"""The layout of the positions of grids in one packed array, position by position."""

import numpy as np


def packing(grids):
    """offsets [K + 1], owner [T] and axes [2, T] of jsra.ops.packing.Packing, for grids [K, 2]."""
    offsets, owner, axes = [0], [], []
    for k, (rows, columns) in enumerate(grids):
        for y in range(rows):
            for x in range(columns):
                owner.append(k)
                axes.append((sum(range(rows)) + y, sum(range(columns)) + x))
        offsets.append(len(owner))
    return np.array(offsets, np.int32), np.array(owner, np.int32), np.array(axes, np.int32).reshape(-1, 2).T
