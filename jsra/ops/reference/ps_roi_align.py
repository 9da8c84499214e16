"""Position-sensitive RoI Align in NumPy: RoI Align of all channels, then each bin keeps its own channel."""

import numpy as np

from jsra.ops.reference.roi_align import roi_align


def keep_own(all_bins):
    """[K, C * rows * columns, rows, columns] -> [K, C, rows, columns]: bin (p, q) of channel c comes from channel (c, p,
    q)."""
    count, channels, rows, columns = all_bins.shape
    split = all_bins.reshape(count, channels // (rows * columns), rows, columns, rows, columns)
    return np.einsum("kcpqpq->kcpq", split)


def ps_roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, levels=None):
    """As jsra.ops.ps_roi_align, on NumPy arrays in float64."""
    return keep_own(roi_align(input, boxes, output_size, spatial_scale, sampling_ratio, aligned=True, levels=levels))
