"""Arithmetic of boxes in NumPy, box by box: the oracle of the tests."""

import numpy as np


def box_area(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_iou(boxes1, boxes2):
    out = np.zeros((len(boxes1), len(boxes2)))
    for i, a in enumerate(boxes1):
        for j, b in enumerate(boxes2):
            width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            if np.isfinite(a).all() and np.isfinite(b).all() and width > 0 and height > 0:
                union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
                out[i, j] = width * height / union
    return out


def clip_boxes_to_image(boxes, size):
    height, width = size
    return np.clip(boxes, 0, [width, height, width, height])


def remove_small_boxes(boxes, min_size):
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.flatnonzero(((sides >= min_size) & np.isfinite(sides)).all(axis=1)).astype(np.int32)
