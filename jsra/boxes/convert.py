"""Box formats, NumPy. jsra's own format is xyxy: corners x0, y0, x1, y1 in pixels; the width is x1 - x0 (never + 1)."""

from __future__ import annotations

import numpy as np


def xyxy_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """[n, 4] corners -> [n, 4] left, top, width, height: the format of COCO's annotation and result files."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """[n, 4] left, top, width, height -> [n, 4] corners."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]], axis=1)


def as_boxes(boxes) -> np.ndarray:
    """Any array-like of boxes as float32 [n, 4]; an empty one becomes [0, 4]."""
    if boxes is None:
        return np.zeros((0, 4), np.float32)
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def boxes_to_rois(boxes: list) -> np.ndarray:
    """One [n_i, 4] array per image -> RoIs [sum n_i, 5]; the first column is the image's index in the batch."""
    rows = [np.concatenate([np.full((len(b), 1), i, np.float32), as_boxes(b)], axis=1) for i, b in enumerate(boxes)]
    return np.concatenate(rows, axis=0) if rows else np.zeros((0, 5), np.float32)
