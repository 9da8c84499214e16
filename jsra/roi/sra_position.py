"""Position embeddings of Semantic RoI Align (arXiv:2312.09609, eq. 6): they describe a block's position in its grid.

An embedding has two halves, one for the row of the block and one for its column. Each half depends only on (index, side), so
it is a row of a table; `axes` of jsra.ops.packing.Packing gives the row's number.
"""

from __future__ import annotations

import functools

import numpy as np

POSITIONS = ("none", "point", "area")


def upsample_matrix(side: int, length: int) -> np.ndarray:
    """[side, length]: row i is the one-hot vector of i, linearly upsampled to `length` (align_corners=False)."""
    at = np.clip((np.arange(length) + 0.5) * side / length - 0.5, 0, side - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, side - 1)
    matrix = np.zeros((side, length))
    np.add.at(matrix, (low, np.arange(length)), 1 - (at - low))
    np.add.at(matrix, (high, np.arange(length)), at - low)
    return matrix.astype(np.float32)


@functools.lru_cache(maxsize=8)
def axis_table(position: str, largest: int, length: int) -> np.ndarray:
    """[largest * (largest + 1) / 2, width]: the embedding of (index, side) for sides 1..largest, smaller sides first.

    'area': upsampled one-hot vectors, width = length. 'point': the block's centre in [-1, 1], width = 1.
    """
    if position == "point":
        rows = [(np.arange(side)[:, None] + 0.5) / side * 2 - 1 for side in range(1, largest + 1)]
    else:
        rows = [upsample_matrix(side, length) for side in range(1, largest + 1)]
    return np.concatenate(rows).astype(np.float32)


def position_variance(position: str, side: int, length: int) -> float:
    """The variance over the positions of a side x side grid, summed over the numbers of their embedding."""
    first = side * (side - 1) // 2
    return 2 * float(axis_table(position, side, length)[first : first + side].var(axis=0).sum())
