"""Random weights for a layer, the same on every machine and in every framework. Uses only NumPy."""

from __future__ import annotations

import zlib

import numpy as np


def random_weights(shapes, gamma=1.0) -> dict:
    """{name: array} for a layer's {name: shape}; the seed of each weight is its name.

    Matrices have the deviation 1 / sqrt(inputs), so that signals keep their size. SRA multiplies its logits by gamma, so its
    last layer is divided by gamma: a softmax of larger logits would amplify rounding errors.
    """
    arrays = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith("running_var") or ("norm" in name and name.endswith("weight")):
            array = rng.uniform(0.5, 1.5, shape)
        else:
            array = rng.standard_normal(shape) * (shape[1] ** -0.5 if len(shape) > 1 else 0.1)
        if name == "fc2.weight":
            array /= max(abs(gamma), 1e-6)
        arrays[name] = array.astype(np.float32)
    return arrays
