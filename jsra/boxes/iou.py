"""Overlaps of boxes in NumPy, for the work without gradients: matching and sampling.

The operator of the same meaning for jt.Vars is jsra.ops.box_iou; the crowd overlap (intersection over the area of the
first box) exists only here.
"""

from __future__ import annotations

import numpy as np

MODES = ("iou", "iof")


class Overlaps:
    """The overlaps of many fixed boxes with one box after the other, in memory that is used again.

    boxes [n, 4]; `row(box)` gives [n] float32, valid until the next call. mode 'iou': intersection over union;
    'iof': intersection over the area of the fixed box (how much of it a crowd region covers).
    """

    def __init__(self, boxes: np.ndarray, mode: str = "iou"):
        if mode not in MODES:
            raise ValueError(f"overlap mode must be one of {MODES}, got {mode!r}")
        self.mode = mode
        self.x0, self.y0, self.x1, self.y1 = (np.ascontiguousarray(boxes[:, i], dtype=np.float32) for i in range(4))
        self.area = (self.x1 - self.x0) * (self.y1 - self.y0)
        self._inter = np.empty_like(self.area)
        self._a, self._b = np.empty_like(self.area), np.empty_like(self.area)

    def row(self, box) -> np.ndarray:
        x0, y0, x1, y1 = (np.float32(v) for v in box)
        inter, a, b = self._inter, self._a, self._b
        np.minimum(self.x1, x1, out=a)
        np.maximum(self.x0, x0, out=b)
        np.subtract(a, b, out=inter)
        np.maximum(inter, 0, out=inter)
        np.minimum(self.y1, y1, out=a)
        np.maximum(self.y0, y0, out=b)
        np.subtract(a, b, out=a)
        np.maximum(a, 0, out=a)
        np.multiply(inter, a, out=inter)
        if self.mode == "iou":
            np.add(self.area, (x1 - x0) * (y1 - y0), out=b)
            np.subtract(b, inter, out=b)
            np.maximum(b, np.float32(1e-6), out=b)
        else:
            np.maximum(self.area, np.float32(1e-6), out=b)
        return np.divide(inter, b, out=inter)
