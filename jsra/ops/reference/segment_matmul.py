"""Products of the segments of a packed array in NumPy: the slow oracle of the tests."""

import numpy as np


def segment_matmul(a, b, offsets):
    """As jsra.ops.segment_matmul, on NumPy arrays."""
    parts = [a[start:end] @ b[k].T for k, (start, end) in enumerate(zip(offsets, offsets[1:]))]
    return np.concatenate(parts) if parts else np.zeros((0, b.shape[1]))
