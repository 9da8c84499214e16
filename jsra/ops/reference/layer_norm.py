"""Layer normalisation over the last axis in NumPy: the oracle of the tests."""

import numpy as np


def layer_norm(x, weight, bias, eps=1e-5):
    """As jsra.ops.layer_norm.layer_norm, on NumPy arrays in float64."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * weight + bias
