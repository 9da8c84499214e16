"""The support regions of Learned Region Features: which cells of its map each RoI uses (arXiv:1803.07066, section 3.1).

A support consists of one or two grids of cells, inside the RoI and outside it; their strides limit the number of cells.
Arrays of different lengths are packed by RoI. All of this is NumPy, because it has no gradient.
"""

from __future__ import annotations

import math

import numpy as np

SUPPORTS = ("roi", "double", "image")


class Grids:
    """For each of K RoIs a grid of cells: first + stride * (0 .. count - 1) along each axis; arrays [K, 2], columns x, y."""

    def __init__(self, first, stride, count):
        self.first, self.stride, self.count = first, stride, count

    def cells(self):
        """(owner, i, j) of all cells, packed by RoI: the RoI, and the cell's index in its grid along x and along y."""
        owner, place = spread(self.count.prod(1))
        columns = np.maximum(self.count[owner, 0], 1)
        return owner, place % columns, place // columns

    def coordinates(self, axis):
        """(owner, cell) of the cells along one axis, packed by RoI."""
        owner, place = spread(self.count[:, axis])
        return owner, self.first[owner, axis] + self.stride[owner, axis] * place


def spread(counts):
    """(owner, index) for counts[k] items of each k. Example: counts [2, 0, 1] -> [0, 0, 2], [0, 1, 0]."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]


def cell_range(low, high, size):
    """(first, last + 1) of the cells that [low, high] touches, at least one, clipped to a map of `size` cells."""
    first = np.floor(low)
    end = np.maximum(np.ceil(high), first + 1)
    return np.clip(first, 0, size).astype(int), np.clip(end, 0, size).astype(int)


def inside(boxes, sizes, most):
    """The grid inside each box, with strides ceil(width / sqrt(most)) and ceil(height / sqrt(most)); most None: all cells.

    boxes: xyxy [K, 4] in cells. sizes: [K, 2], width and height of their maps. Degenerate boxes have no cells.
    Returns (Grids, first [K, 2], end [K, 2]); first and end are the range of cells that the box covers.
    """
    # A comparison with NaN is False.
    valid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & (np.abs(boxes) < 1e7).all(1)
    boxes = np.where(valid[:, None], boxes, -10.0)
    first, end = cell_range(boxes[:, :2], boxes[:, 2:], sizes)
    length = np.where(valid[:, None], end - first, 0)
    length[(length == 0).any(1)] = 0
    stride = np.ones_like(length) if most is None else np.maximum(np.ceil(length / math.sqrt(most)).astype(int), 1)
    return Grids(first, stride, -(-length // stride)), first, end


def outside(boxes, sizes, most, support):
    """The grid around each box with stride ceil(sqrt(area / most)); it still includes the cells inside the box.

    support: 'image' (the whole map) or 'double' (the box of twice the area with the same centre). Other arguments: see
    `inside`.
    """
    if support == "image":
        first, end = np.zeros_like(sizes), sizes
    else:
        boxes = np.where(np.isfinite(boxes), np.clip(boxes, -1e7, 1e7), 0)
        centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * math.sqrt(2)
        first, end = cell_range(centre - half, centre + half, sizes)
    length = end - first
    stride = np.ones_like(length)
    if most is not None:
        stride[:] = np.maximum(np.ceil(np.sqrt(length.prod(1) / most)).astype(int), 1)[:, None]
    return Grids(first, stride, -(-length // stride))
