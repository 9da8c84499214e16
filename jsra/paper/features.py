"""Objects of a dataset and what a model's RoI extractor computes for them: the basis of the invariance and diversity studies.

Images are those that the model sees: the config's test transforms before Normalize come first, then the study's own change of
image and boxes, then the remaining transforms.
"""

from __future__ import annotations

import numpy as np

from jsra.data.dataset import with_masks
from jsra.data.image import new_target
from jsra.data.loader import collate
from jsra.data.transforms import Compose
from jsra.registry import ConfigError, build
from jsra.roi.inputs import extractor_of, roi_inputs

MIN_SIDE = 12  # pixels; smaller objects are left out


class Objects:
    """The images of a config's dataset entry with their objects, at the size of the model's input."""

    def __init__(self, config, split: str = "val", limit: int | None = None):
        settings = dict(config["dataset"][split])
        transforms = list(settings.get("transforms") or ())
        cut = next((i for i, t in enumerate(transforms) if t["type"] == "Normalize"), len(transforms))
        self.rest = transforms[cut:]
        settings.update(transforms=transforms[:cut], filter_empty_gt=False)
        self.dataset = build(with_masks(settings), f"dataset.{split}")
        self.dataset.each_once()
        self.limit = limit
        self._after = Compose(build(list(self.rest), f"dataset.{split}.transforms"))

    def __iter__(self):
        """(uint8 image [H, W, 3], boxes xyxy [n, 4] in its pixels, masks bool [n, H, W] or None) of each image that has
        objects of at least MIN_SIDE pixels."""
        taken = 0
        for index in range(len(self.dataset.records)):
            if self.limit is not None and taken >= self.limit:
                return
            image, target = self.dataset.get(index)
            boxes, masks = target["bboxes"], target.get("masks")
            large = (boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE).all(1)
            if large.any():
                taken += 1
                yield np.asarray(image), boxes[large], None if masks is None else np.asarray(masks)[large] > 0

    def after(self, image):
        """The remaining transforms: the image normalised and padded, float32 [1, 3, H, W]."""
        height, width = image.shape[:2]
        pixels, _ = self._after(image, new_target((width, height)), np.random.default_rng(0))
        return collate([(pixels, None)])[0]


def roi_features(model, pixels, boxes) -> np.ndarray:
    """The input of the box head for boxes xyxy [K, 4] in pixels of the model's input: float32 [K, C * h * w]."""
    import jittor as jt

    with jt.no_grad():
        maps, rois, _, _ = roi_inputs(model, pixels, [boxes])
        features = extractor_of(model)(maps, rois)
        return features.reshape(features.shape[0], -1).numpy()


def masks_of(model, pixels, boxes) -> list:
    """Where the extractor samples for boxes xyxy [K, 4] in pixels of the model's input: K pairs (weights [N, P], places).

    Each row of the weights sums to 1. places: (rows, columns) of a grid that divides the box, with P = rows * columns
    positions row by row; for Learned Region Features an array [P, 2] of points (x, y) in pixels. Raises ConfigError for other
    RoI layers.
    """
    import jittor as jt

    extractor = extractor_of(model)
    layer = getattr(extractor, "roi_layer", None)
    if not (hasattr(layer, "masks") or hasattr(layer, "weights")):
        raise ConfigError(f"the RoI layer {type(layer).__name__} has no masks: use a config with SemanticRoIAlign")
    with jt.no_grad():
        inputs = roi_inputs(model, pixels, [boxes])
        if hasattr(layer, "masks"):
            return [(np.asarray(m).reshape(len(m), -1), tuple(m.shape[1:])) for m in layer.masks(*inputs)]
        strides = np.asarray(extractor.featmap_strides)[inputs[-1].numpy()]
        return [(w, (cells + 0.5) * s) for (cells, w), s in zip(layer.weights(*inputs), strides)]
