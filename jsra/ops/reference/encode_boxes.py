"""Boxes as deltas to reference boxes in NumPy, by centres and sizes."""

import numpy as np


def centres_and_sizes(boxes):
    """[..., 4] corners -> two [..., 2]."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]


def encode_boxes(references, targets, means=(0, 0, 0, 0), stds=(1, 1, 1, 1)):
    """As jsra.ops.encode_boxes."""
    (p, p_size), (g, g_size) = centres_and_sizes(references), centres_and_sizes(targets)
    p_size, g_size = np.maximum(p_size, 1e-6), np.maximum(g_size, 1e-6)
    return (np.concatenate([(g - p) / p_size, np.log(g_size / p_size)], axis=-1) - np.array(means)) / np.array(stds)
