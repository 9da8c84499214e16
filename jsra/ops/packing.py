"""Where the sampled positions of all RoIs lie in one packed array, without padding."""

from __future__ import annotations

import functools

import jittor as jt
import numpy as np

from jsra.ops.kernel import run


class Packing:
    """Grids of K RoIs, and the places of their T = sum(rows * columns) positions, RoI by RoI and row by row.

    grids int32 [K, 2] (rows, columns), offsets int32 [K + 1] (RoI k has positions offsets[k] to offsets[k + 1]) and owner
    int32 [T] (the RoI of each position) are Vars; grids_np and offsets_np the same in NumPy; total is T; sides is the
    largest rows + columns.
    """

    def __init__(self, grids: np.ndarray):
        self.grids_np = np.ascontiguousarray(grids, np.int32)
        sizes = self.grids_np[:, 0] * self.grids_np[:, 1]
        self.offsets_np = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        self.count, self.total = len(sizes), int(self.offsets_np[-1])
        self.sides = int(self.grids_np.sum(1).max()) if self.count else 0
        self.grids, self.offsets = jt.array(self.grids_np), jt.array(self.offsets_np)
        self.owner = jt.array(self.owner_np())

    def owner_np(self) -> np.ndarray:
        return np.repeat(np.arange(self.count, dtype=np.int32), np.diff(self.offsets_np))

    def cell_np(self):
        """Row and column of each position in its grid, int32 [T] each."""
        owner = self.owner_np()
        within = np.arange(self.total, dtype=np.int32) - self.offsets_np[:-1][owner]
        return within // self.grids_np[owner, 1], within % self.grids_np[owner, 1]

    @classmethod
    def fixed(cls, count: int, grid) -> Packing:
        """The same grid (rows, columns) for `count` RoIs."""
        return cls(np.tile(np.array(grid, np.int32), (count, 1)))

    @classmethod
    def dynamic(cls, boxes: jt.Var, max_area: int) -> Packing:
        """Grids of the boxes' aspect ratios, with at most `max_area` positions each (SRA, eq. 5). boxes: [K, 5]."""
        if not boxes.shape[0]:
            return cls(np.zeros((0, 2), np.int32))
        table = grid_table(max_area)
        sizes = dict(count=boxes.shape[0], entries=len(table))
        grids = run("dynamic_sampler", "grids", [boxes, jt.array(table)], [((boxes.shape[0], 2), "int32")], **sizes)
        return cls(grids.numpy())


@functools.lru_cache(maxsize=None)
def grid_table(max_area: int) -> np.ndarray:
    """int32 [n, 2]: of each aspect ratio the largest (rows, columns) of at most max_area; by rising columns / rows."""
    largest = {}
    for rows in range(1, max_area + 1):
        for columns in range(1, max_area // rows + 1):
            common = np.gcd(rows, columns)
            largest[rows // common, columns // common] = (rows, columns)  # rises with `common`: the last is the largest
    ordered = sorted(largest.values(), key=lambda grid: grid[1] / grid[0])
    return np.array(ordered, np.int32)
