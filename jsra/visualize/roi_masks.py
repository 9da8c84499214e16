"""The semantic masks of a trained detector for given boxes of an image."""
from __future__ import annotations

import numpy as np

from jsra.registry import ConfigError
from jsra.roi.inputs import extractor_of, roi_inputs


def roi_masks(detector, pixels, boxes) -> list:
    """detector: jsra.Detector; pixels: uint8 RGB [H, W, 3]; boxes [K, 4] xyxy in its pixels.

    Returns a list with an array [N, rows, columns] per box; each mask sums to 1. Raises ConfigError if the detector's
    extractor has no masks.
    """
    import jittor as jt

    layer = getattr(extractor_of(detector.model), "roi_layer", None)
    if not hasattr(layer, "masks"):
        raise ConfigError(
            f"the RoI layer of this model is {type(layer).__name__}, which has no semantic masks: use a config whose box "
            "extractor has roi_layer=dict(type='SemanticRoIAlign')"
        )
    batch, (target,) = detector.prepare(pixels)
    scale = np.array([i / o for i, o in zip(target["img_size"], target["ori_img_size"])] * 2, np.float32)
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4) * scale
    with jt.no_grad():
        return layer.masks(*roi_inputs(detector.model, batch, [boxes]))
