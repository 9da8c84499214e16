"""The semantic masks that a trained detector takes for given boxes of an image."""
from __future__ import annotations

import numpy as np

from jsra.registry import ConfigError


def roi_masks(detector, pixels, boxes) -> list:
    """detector: jsra.Detector; pixels: uint8 RGB [H, W, 3]; boxes [K, 4] xyxy in its pixels.

    Returns an array [N, rows, columns] per box, each mask with the sum 1. Raises ConfigError if the detector's extractor
    makes no masks.
    """
    import jittor as jt

    from jsra.boxes.convert import boxes_to_rois
    from jsra.ops import roi_levels

    extractor = getattr(getattr(detector.model, "roi_head", None), "box_extractor", None)
    layer = getattr(extractor, "roi_layer", None)
    if not hasattr(layer, "masks"):
        raise ConfigError(
            f"the RoI layer of this model is {type(layer).__name__}, which has no semantic masks: use a config whose box "
            "extractor has roi_layer=dict(type='SemanticRoIAlign')"
        )
    batch, (target,) = detector.prepare(pixels)
    scale = np.array([i / o for i, o in zip(target["img_size"], target["ori_img_size"])] * 2, np.float32)
    with jt.no_grad():
        maps = detector.model.features(jt.array(batch))[: len(extractor.featmap_strides)]
        rois = jt.array(boxes_to_rois([np.asarray(boxes, np.float32).reshape(-1, 4) * scale]))
        levels = roi_levels(rois, len(maps), extractor.finest_scale)
        return layer.masks(list(maps), rois, [1.0 / s for s in extractor.featmap_strides], levels)
