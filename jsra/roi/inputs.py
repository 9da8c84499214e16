"""The inputs of the RoI layer of a detector's box head, for studies and figures of its features."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.boxes.convert import boxes_to_rois
from jsra.registry import ConfigError


def extractor_of(model):
    """The detector's RoI extractor. Raises ConfigError for a model without one."""
    extractor = getattr(model, "extractor", None)
    if extractor is None:
        raise ConfigError(
            f"{type(model).__name__} has no RoI extractor, which is needed: use a config of a detector with one, such as "
            "FasterRCNN with roi_layer=dict(type='SemanticRoIAlign')"
        )
    return extractor


def roi_inputs(model, pixels, boxes):
    """(maps, rois [K, 5], scales, levels [K]) for images `pixels` [B, 3, H, W] and boxes, one xyxy array [., 4] per image.

    The extractor assigns the levels: not all extractors use the same rule.
    """
    extractor = extractor_of(model)
    rois = jt.array(boxes_to_rois([np.asarray(b, np.float32).reshape(-1, 4) for b in boxes]))
    maps = list(model.features(jt.array(pixels)))[: len(extractor.featmap_strides)]
    levels = extractor.levels(rois, len(maps))
    return maps, rois, [1.0 / s for s in extractor.featmap_strides], levels
