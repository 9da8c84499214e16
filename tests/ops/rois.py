"""RoIs for tests: random ones, and those that must give zeros."""

import numpy as np

# RoIs that give zeros in every operator: with a batch index outside 2 images, not finite, inverted, or far from the map.
DEGENERATE = np.array(
    [
        [-1, 1, 1, 9, 9],
        [2, 1, 1, 9, 9],
        [0, np.nan, 1, 9, 9],
        [0, 1, 1, np.nan, 9],
        [np.nan, 1, 1, 9, 9],
        [0, 1, -np.inf, 9, 9],
        [0, 1, 1, np.inf, 9],
        [0, 9, 1, 5, 9],
        [0, 1, 9, 9, 5],
        [0, 5000, 5000, 5050, 5040],
        [0, -5050, 1, -5000, 40],
        [0, 1e20, 1e20, 2e20, 2e20],
        [0, 1e30, -1e30, 1e38, 1e30],
    ]
)

# Without width, height or both; the operators of torchvision and mmcv sample some of them.
EMPTY = np.array([[0, 5, 1, 5, 9], [1, 1, 5, 9, 5], [0, 22, 14, 22, 14], [1, 0, 0, 0, 0], [0, 70, 20, 70, 20]], float)

# Levels of a pyramid of 2 maps, of which only the first and the last exist.
MISSING_LEVELS = np.array([0, -1, 2, 8, -(2**31), 1], np.int32)


def random_rois(rng, count, batches, width, height, low=1.0, high=40.0):
    """RoIs [count, 5] with corners within the image, some of which reach beyond its border."""
    corners = rng.uniform(-5, [width, height], (count, 2))
    sizes = rng.uniform(low, high, (count, 2))
    return np.concatenate([rng.integers(0, batches, (count, 1)), corners, corners + sizes], axis=1)
