"""The Dynamic Feature Sampler in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np

from jsra.ops.reference.roi_align import roi_align


def choose_grid(width, height, max_area):
    """(rows, columns): nearest aspect ratio in logarithms; ties to the larger area, then to the squarer grid."""
    if not (np.isfinite(width) and np.isfinite(height)):
        width = height = 0
    wanted = np.log(max(width, 1e-6)) - np.log(max(height, 1e-6))
    best = None
    for h in range(1, max_area + 1):
        for w in range(1, max_area // h + 1):
            # Equal distances may differ by rounding; 12 digits are enough to distinguish grids of up to 1000 blocks.
            key = (round(abs(np.log(w) - np.log(h) - wanted), 12), -h * w, abs(w - h))
            if best is None or key < best[0]:
                best = key, (h, w)
    return best[1]


def dynamic_sampler(input, boxes, spatial_scale=1.0, max_area=64, grid=None, sampling_ratio=0, levels=None):
    """As jsra.ops.dynamic_sampler, on NumPy arrays in float64."""
    fixed = (grid, grid) if isinstance(grid, int) else grid
    channels = (input[0] if isinstance(input, list) else input).shape[1]
    grids, features = [], [np.zeros((0, channels))]
    for k, (index, x0, y0, x1, y1) in enumerate(boxes):
        if index < 0:
            grids.append((0, 0))
            continue
        grids.append(fixed or choose_grid(x1 - x0, y1 - y0, max_area))
        of_one = None if levels is None else levels[k : k + 1]
        out = roi_align(input, boxes[k : k + 1], grids[-1], spatial_scale, sampling_ratio, True, "avg", of_one)
        features.append(out[0].reshape(channels, -1).T)
    grids = np.array(grids, np.int32).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum(grids.prod(axis=1))]).astype(np.int32)
    return np.concatenate(features), offsets, grids
