"""Which level of the pyramid an RoI reads: the one rule, used by every extractor."""

from __future__ import annotations

import jittor as jt
import numpy as np


def roi_levels(rois, num_levels: int, finest_scale: float = 56.0) -> np.ndarray:
    """int32 [K]: floor(log2(sqrt(w * h) / finest_scale + 1e-6)), clamped to 0..num_levels - 1.

    rois: [K, 5] (batch index, x0, y0, x1, y1) in image pixels, NumPy or Var. w = x1 - x0, without the + 1 of older code.
    A box that is empty, inverted or not a number gets level 0. Source: FPN (Lin et al. 2017) as in mmdet.
    """
    rois = rois if isinstance(rois, np.ndarray) else rois.numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        width, height = rois[:, 3] - rois[:, 1], rois[:, 4] - rois[:, 2]
        size = np.sqrt(width * height) / np.float32(finest_scale) + np.float32(1e-6)
        size = np.where((width > 0) & (height > 0), size, 0)
    # floor(log2(size)) >= i where size >= 2^i. A comparison with nan is False.
    levels = np.zeros(len(rois), np.int32)
    for level in range(1, num_levels):
        levels += size >= 2.0**level
    return levels


def pixels_per_cell(spatial_scale, levels=None):
    """Image pixels per cell of the map that an RoI reads: a number, or a Var [K, 1] where there are levels."""
    if levels is None:
        return 1.0 / spatial_scale
    return jt.array([1.0 / scale for scale in spatial_scale])[levels].reshape(-1, 1)
