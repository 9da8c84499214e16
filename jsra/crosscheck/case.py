"""The inputs of a cross-check: the settings of a layer, maps and boxes."""

from __future__ import annotations

import os

import numpy as np

from jsra import registry
from jsra.config import Config, load_config, override
from jsra.ops.reference.roi_levels import roi_levels
from jsra.registry import ConfigError

PYRAMID_STRIDES = (4, 8, 16, 32)
# Boxes for a batch of 2 images: of no image, not finite, inverted, without width or height, far away.
DEGENERATE = np.float32(
    [
        [-1, 1, 1, 9, 9],
        [2, 1, 1, 9, 9],
        [0, np.nan, 1, 9, 9],
        [0, 1, 1, np.inf, 9],
        [0, 9, 1, 5, 9],
        [1, 1, 9, 9, 5],
        [0, 5, 1, 5, 9],
        [1, 22, 14, 22, 14],
        [0, 5000, 5000, 5050, 5040],
    ]
)


def layer_settings(what, overrides=()):
    """The settings of a RoI layer, a dict with `type`. what: a config file (its extractor's `roi_layer` is used) or the name
    of a layer. overrides: 'key=value' for the config or the layer. Raises ConfigError if there is no such layer."""
    if not os.path.splitext(what)[1]:
        registry.get(what, "LAYER", "roi_layer")
        settings = Config(type=what)
        for text in overrides:
            override(settings, "+" + text.lstrip("+"))
        return settings
    found = _find(load_config(what, overrides), "roi_layer")
    if found is None:
        raise ConfigError(f"{what}: this config has no roi_layer to compare")
    return found


def _find(config, key):
    """The first value of `key` in nested dicts, or None."""
    if isinstance(config, dict):
        if isinstance(config.get(key), dict):
            return config[key]
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        return next((found for item in config if (found := _find(item, key)) is not None), None)
    return None


def random_inputs(rng, channels, count, size=(20, 28), pyramid=False, degenerate=False) -> dict:
    """{features/0...: [2, C, H, W], rois [K, 5] and, for a pyramid, levels [K]} for 2 images of 4 * size pixels.

    Half of the boxes extend beyond the image or are small; their sides are from 2 pixels to the size of the image.
    """
    height, width = size
    scales = scales_of(pyramid)
    inputs = {}
    for i, scale in enumerate(scales):
        shape = (2, channels, *(max(int(side * 4 * scale), 1) for side in size))
        inputs[f"features/{i}"] = rng.standard_normal(shape).astype(np.float32)
    sides = np.exp(rng.uniform(np.log(2), np.log([4 * width, 4 * height]), (count, 2)))
    corners = rng.uniform(-0.2, 0.9, (count, 2)) * [4 * width, 4 * height]
    rois = np.concatenate([rng.integers(0, 2, (count, 1)), corners, corners + sides], 1).astype(np.float32)
    inputs["rois"] = np.concatenate([rois, DEGENERATE]) if degenerate else rois
    if pyramid:
        inputs["levels"] = roi_levels(inputs["rois"], len(scales), 16).astype(np.int32)
    return inputs


def scales_of(pyramid) -> list:
    """Cells per pixel of each map."""
    return [1.0 / stride for stride in (PYRAMID_STRIDES if pyramid else PYRAMID_STRIDES[:1])]
