"""Weights that depend only on their names: the same numbers for a model here and in its peers. Uses only NumPy."""

from __future__ import annotations

import re
import zlib

import numpy as np


def seeded(name: str, shape, seed: int = 0) -> np.ndarray:
    """The weights for a name, the same in every framework. They are scaled so that activations neither vanish nor explode,
    statistics are not trivial and some detections are confident."""
    name = name.replace("roi_head.box.head.", "roi_head.box_head.")  # the name when the numbers of the tests were made
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    kind = name.rsplit(".", 1)[-1]
    if kind == "running_var":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if kind == "running_mean":
        return rng.normal(0, 0.1, shape).astype(np.float32)
    if len(shape) == 1:
        if ".bn" in name or "downsample" in name or name.startswith("bn"):
            centre = 0.0 if kind == "bias" else 0.3 if ".bn3" in name else 1.0
            return rng.normal(centre, 0.1, shape).astype(np.float32)
        return rng.normal(0, 0.05, shape).astype(np.float32)
    layer = re.sub(r"\.box\.stages\.\d+\.head\.", ".box_head.", name)
    gain = {
        "rpn.cls": 0.7, "rpn.box": 0.3, "roi_head.box_head.cls": 4.0, "roi_head.box_head.box": 0.6, "head.cls": 0.4,
        "head.box": 0.2,
    }  # fmt: skip
    general = 0.4 if name.startswith("neck.") else 1.4
    scale = gain.get(layer.rsplit(".", 1)[0], general)
    weight = rng.standard_normal(shape)
    if layer == "roi_head.box_head.cls.weight":
        weight -= weight.mean(axis=1, keepdims=True)  # otherwise the mean feature would favour one class everywhere
    return (weight * (scale / np.sqrt(np.prod(shape[1:])))).astype(np.float32)
