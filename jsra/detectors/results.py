"""Checks the losses and results of a detector before they are used, because a user's own detector may return anything."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.arguments import short
from jsra.data.masks import encode
from jsra.registry import ConfigError

KEYS = ("img_id", "boxes", "scores", "labels")


def check_losses(model, losses) -> dict:
    """Returns the losses of a step. Raises ConfigError unless they are a dictionary {name: Var}."""
    who = type(model).__name__
    if not isinstance(losses, dict) or not losses:
        raise ConfigError(f"{who}: training must return its losses, {{'loss_...': Var}}, not {short(losses)}")
    for name, value in losses.items():
        if not (isinstance(name, str) and isinstance(value, jt.Var)):
            raise ConfigError(f"{who}: training must return {{name: Var}}; {name!r} is {type(value).__name__}")
    return losses


def check_results(model, results, targets) -> list:
    """The results of a batch, each after `check_result`. Raises ConfigError unless there is one per image, in their order."""
    who = type(model).__name__
    if not isinstance(results, (list, tuple)) or len(results) != len(targets):
        found = f"{len(results)} in a {type(results).__name__}" if hasattr(results, "__len__") else short(results)
        raise ConfigError(f"{who}: evaluation must return a list of {len(targets)} results, one for each image, not {found}")
    checked = [check_result(who, result) for result in results]
    for result, target in zip(checked, targets):
        if result["img_id"] != target.get("img_id", result["img_id"]):
            raise ConfigError(
                f"{who}: the results must have the order of the images: img_id is {result['img_id']!r} for image "
                f"{target['img_id']!r}"
            )
    return checked


def check_result(who: str, result) -> dict:
    """The result of an image with NumPy arrays: boxes [n, 4] and scores [n] must be finite, labels [n] integers from 1. Masks
    that are bitmaps become RLEs.

    who: the beginning of messages, such as the name of the detector.
    """
    missing = [key for key in KEYS if key not in result] if isinstance(result, dict) else KEYS
    if missing:
        what = f"the result of an image must be a dictionary with {', '.join(KEYS)}"
        raise ConfigError(f"{who}: {what}; {short(result)} lacks {', '.join(missing)}")
    where = f"{who}: image {result['img_id']!r}"
    arrays = {key: _array(result[key]) for key in KEYS[1:]}
    count = arrays["scores"].size
    for key, shape in (("boxes", (count, 4)), ("scores", (count,)), ("labels", (count,))):
        array = arrays[key]
        if not count and not array.size:  # an empty list has no other shape
            array = arrays[key] = np.zeros(shape, array.dtype if array.dtype.kind in "fiu" else np.float32)
        if array.shape != shape or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            expected = "boxes [n, 4], scores [n] and labels [n] are finite numbers of the same n detections"
            raise ConfigError(f"{where}: {expected}; {key} is {array.dtype} {list(array.shape)}: {short(array.tolist())}")
    labels = arrays["labels"]
    if (labels != np.floor(labels)).any() or (labels < 1).any():
        raise ConfigError(f"{where}: labels are whole numbers from 1; got {short(labels.tolist())}")
    masks = result.get("masks")
    if masks is not None and len(masks) != count:
        raise ConfigError(f"{where}: {len(masks)} masks for {count} boxes")
    found = {**result, **arrays, "labels": labels.astype(np.int32)}
    return found if masks is None else {**found, "masks": [_rle(mask) for mask in masks]}


def _rle(mask):
    """A bitmap of the image, [height, width], as COCO's RLE. Anything else stays as it is: what uses masks says so."""
    if isinstance(mask, dict):
        return mask
    bitmap = _array(mask)
    kind, flat = bitmap.dtype.kind, bitmap.ndim == 2
    return encode(bitmap != 0) if flat and (kind in "biu" or (kind == "f" and np.isin(bitmap, (0, 1)).all())) else mask


def _array(value):
    """The value as an array; with dtype object if a list has items of different shapes."""
    try:
        return value.numpy() if isinstance(value, jt.Var) else np.asarray(value)
    except ValueError:
        return np.asarray([None], object)
