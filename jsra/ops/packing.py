"""The layout of the sampled positions of all RoIs in one packed array, without padding."""

from __future__ import annotations

import functools

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.kernel import run


class Packing:
    """The layout of the T = sum(rows * columns) positions of K grids, RoI by RoI and row by row.

    Vars: grids int32 [K, 2] (rows, columns); offsets int32 [K + 1] (RoI k has positions offsets[k] to offsets[k + 1]); owner
    int32 [T] (the RoI of each position); axes int32 [2, T]: for the row and the column of each position, its index and the
    side of the grid as one number, side * (side - 1) / 2 + index. Numbers: count is K; total is T; row_col_total is the
    largest rows + columns. For the last two, the host reads once.
    """

    def __init__(self, grids: jt.Var):
        check.var("grids", grids, rank=2, last=2, dtypes=("int32",))
        self.grids, self.count, self.total, self.row_col_total = grids, grids.shape[0], 0, 0
        if not self.count:
            self.offsets, self.owner, self.axes = (jt.zeros(s, dtype="int32") for s in ((1,), (0,), (2, 0)))
            return
        outputs = [((self.count + 1,), "int32"), ((2,), "int32")]
        self.offsets, summary = run("packing", "forward", [grids], outputs, count=self.count)
        self.total, self.row_col_total = (int(v) for v in summary.numpy())
        outputs = [((self.total,), "int32"), ((2, self.total), "int32")]
        sizes = dict(count=self.count, total=self.total)
        self.owner, self.axes = run("packing", "places", [grids, self.offsets], outputs, **sizes)

    @classmethod
    def fixed(cls, boxes: jt.Var, grid) -> Packing:
        """The same grid (rows, columns) for each of the boxes [K, 5]; a negative batch index gives no positions."""
        return cls(_grids(boxes, np.array([grid], np.int32)))

    @classmethod
    def dynamic(cls, boxes: jt.Var, max_area: int) -> Packing:
        """Grids with the boxes' aspect ratios and at most `max_area` positions each (SRA, eq. 5). boxes: [K, 5]; a negative
        batch index gives no positions."""
        return cls(_grids(boxes, grid_table(max_area)))


def _grids(boxes, table) -> jt.Var:
    """int32 [K, 2]: for each box, the grid of the table with the nearest aspect ratio."""
    if not boxes.shape[0]:
        return jt.zeros((0, 2), dtype="int32")
    sizes = dict(count=boxes.shape[0], entries=len(table))
    return run("dynamic_sampler", "grids", [boxes, jt.array(table)], [((boxes.shape[0], 2), "int32")], **sizes)


@functools.lru_cache(maxsize=None)
def grid_table(max_area: int) -> np.ndarray:
    """int32 [n, 2]: the largest (rows, columns) of each aspect ratio with area at most max_area; by rising columns / rows."""
    largest = {}
    for rows in range(1, max_area + 1):
        for columns in range(1, max_area // rows + 1):
            common = np.gcd(rows, columns)
            largest[rows // common, columns // common] = (rows, columns)  # increases with `common`: the last is the largest
    ordered = sorted(largest.values(), key=lambda grid: grid[1] / grid[0])
    return np.array(ordered, np.int32)
