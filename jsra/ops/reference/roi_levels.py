"""Which level of the pyramid an RoI reads, in NumPy."""

import numpy as np


def roi_levels(rois, num_levels, finest_scale=56.0):
    """As jsra.ops.roi_levels, in float32."""
    rois = rois.astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        width, height = rois[:, 3] - rois[:, 1], rois[:, 4] - rois[:, 2]
        size = np.sqrt(width * height) / np.float32(finest_scale) + np.float32(1e-6)
        size = np.where((rois[:, 0] >= 0) & (width > 0) & (height > 0), size, 0)
    # floor(log2(size)) >= i where size >= 2^i. A comparison with nan is False.
    levels = np.zeros(len(rois), np.int32)
    for level in range(1, num_levels):
        levels += size >= 2.0**level
    return levels
