"""Boxes from deltas to reference boxes in NumPy, by centres and sizes."""

import math

import numpy as np

from jsra.ops.reference.encode_boxes import centres_and_sizes


def decode_boxes(references, deltas, means=(0, 0, 0, 0), stds=(1, 1, 1, 1), max_log_ratio=-math.log(0.016), sizes=None):
    """As jsra.ops.decode_boxes."""
    if references.ndim < deltas.ndim:
        references = references[..., None, :]
    deltas = deltas * np.array(stds) + np.array(means)
    p, p_size = centres_and_sizes(references)
    centre = p + p_size * deltas[..., :2]
    half = p_size * np.exp(np.clip(deltas[..., 2:], -max_log_ratio, max_log_ratio)) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=-1)
    if sizes is None:
        return boxes
    ends = np.concatenate([sizes, sizes], axis=1).reshape(len(sizes), *[1] * (boxes.ndim - 2), 4)
    return np.clip(boxes, 0, ends)
