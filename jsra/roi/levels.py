"""The scale of the pyramid level that an RoI reads."""

from __future__ import annotations

import jittor as jt


def pixels_per_cell(spatial_scale, levels=None):
    """Image pixels per cell of the map that an RoI reads: a number, or a Var [K, 1] if `levels` int32 [K] are given."""
    if levels is None:
        return 1.0 / spatial_scale
    return jt.array([1.0 / scale for scale in spatial_scale])[levels].reshape(-1, 1)
