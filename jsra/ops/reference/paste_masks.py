"""Masks resized into their boxes in NumPy, pixel by pixel."""

import numpy as np


def paste_values(masks, boxes, places):
    """The interpolated masks that jsra.ops.paste_masks compares with its threshold: a list of [width, height]."""
    found = []
    for mask, (x0, y0, x1, y1), (_, left, top, width, height) in zip(masks.astype(float), boxes.astype(float), places):
        side = len(mask)
        padded = np.pad(mask, 1)  # zeros around it
        x = np.clip((left + np.arange(width) + 0.5 - x0) / (x1 - x0) * side + 0.5, 0, side + 1)
        y = np.clip((top + np.arange(height) + 0.5 - y0) / (y1 - y0) * side + 0.5, 0, side + 1)
        i, j = np.minimum(x.astype(int), side), np.minimum(y.astype(int), side)
        u, v = (x - i)[:, None], (y - j)[None]
        above = (1 - u) * padded[j][:, i].T + u * padded[j][:, i + 1].T
        below = (1 - u) * padded[j + 1][:, i].T + u * padded[j + 1][:, i + 1].T
        found.append((1 - v) * above + v * below)
    return found


def paste_masks(masks, boxes, places, total, threshold=0.5):
    """As jsra.ops.paste_masks."""
    values = [v.ravel() for v in paste_values(masks, boxes, places)]
    return (np.concatenate([np.zeros(0), *values]) >= threshold).astype(np.uint8)
