"""Runs a trained model on a batch: with fused layers, and optionally also on mirrored images."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.data.masks import InstanceMasks
from jsra.detectors.detector import model_input
from jsra.detectors.results import check_result, check_results
from jsra.fuse import FusedModel
from jsra.ops.nms import batched_nms
from jsra.registry import ConfigError


def inference(model, flip: bool = False):
    """A function (images, targets) -> results. images: a NumPy array, float32 [B, 3, H, W] (without flip, any input of
    jsra.detectors.detector.model_input); targets and results: as for the model.

    flip: detect in each image and its mirror image, and merge the detections of both by NMS within each class, with the
    thresholds of the model. Source: mmdet's DetTTAModel. Raises ConfigError for a model without NMS.
    """
    fused = FusedModel(model)
    if not flip:
        return lambda images, targets: check_results(model, fused(model_input(images, targets), targets), targets)
    selector = getattr(model, "selector", None)
    if selector is None:
        raise ConfigError(f"flip: {type(model).__name__} has no DetectionSelector, whose NMS would merge the detections")

    def run(images, targets):
        height, width = images.shape[2:]
        sizes = [target.get("img_size", (width, height)) for target in targets]
        both = (fused(jt.array(batch), targets) for batch in (images, _mirrored(images, sizes)))
        plain, mirrored = (check_results(model, results, targets) for results in both)
        originals = [target.get("ori_img_size", size) for target, size in zip(targets, sizes)]
        return [_merged(a, _back(b, *size), selector) for a, b, size in zip(plain, mirrored, originals)]

    return run


class FrameRunner:
    """Runs a trained model on the frames of videos, or on any images, in order.

    push(images, targets): as in `inference`; returns the results that are now complete (for a model that uses several frames,
    later than their frames). finish(): returns the remaining results. Raises ConfigError for such a model with flip.
    """

    def __init__(self, model, flip: bool = False):
        if not hasattr(model, "stream"):
            self.push, self.finish = inference(model, flip), list
            return
        if flip:
            raise ConfigError(f"flip: {type(model).__name__} uses several frames; mirrored images are not supported")
        fused, stream = FusedModel(model), model.stream()
        self.push = lambda images, targets: _checked(model, fused.run(stream.push, jt.array(images), targets))
        self.finish = lambda: _checked(model, fused.run(stream.finish))


def _checked(model, results):
    return [check_result(type(model).__name__, result) for result in results]


def _mirrored(images, sizes):
    """Mirror each image within its own (width, height), so that the padding stays at the right and bottom."""
    out = images.copy()
    for image, (width, height) in zip(out, sizes):
        image[:, :height, :width] = image[:, :height, :width][:, :, ::-1].copy()
    return out


def _back(result, width, height):
    """Convert a result of the mirrored image to pixels of the original image of (width, height)."""
    boxes = result["boxes"].copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    result = {**result, "boxes": boxes}
    if "masks" in result:
        result["masks"] = InstanceMasks(result["masks"], width, height).flip(True, False).segmentations
    return result


def _merged(first, second, selector):
    """The best detections of two results of one image."""
    rows = {}
    for key, value in first.items():
        if isinstance(value, np.ndarray):
            rows[key] = np.concatenate([value, second[key]])
        elif isinstance(value, list):
            rows[key] = value + second[key]
    if not len(rows["boxes"]):
        return first
    kept = batched_nms(*(jt.array(rows[key]) for key in ("boxes", "scores", "labels")), selector.nms_thr).numpy()
    kept = kept[: selector.max_per_img]
    chosen = {key: [v[i] for i in kept] if isinstance(v, list) else v[kept] for key, v in rows.items()}
    return {**first, **chosen}
