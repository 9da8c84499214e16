"""The case for comparing mmdet with ports/mmdet_sra.py and jsra: the same weights in both. Uses only NumPy."""

from __future__ import annotations

import os

from jsra.crosscheck.weights import random_weights
from tests.detectors import parity

LAYER = "roi_head.box.extractor.roi_layer."
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors", "mmdet.npz")
GAMMA, STEPS, RATE = 50.0, 10, 2e-6
# Further gradients that are compared, by our names.
GRADIENTS = tuple(f"{LAYER}{name}.weight" for name in ("descriptor", "semantic", "norm1", "fc1", "fc2"))


def seeded(name, shape):
    """The weight of one of our names: SRA's as `jsra crosscheck` draws it, others as for mmdet's own parity."""
    if not name.startswith(LAYER):
        return parity.seeded(name, shape)
    name = name[len(LAYER) :]
    return random_weights({name: shape}, GAMMA)[name]
