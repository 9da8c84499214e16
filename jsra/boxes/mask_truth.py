"""The masks of the ground truths of a batch, on the device."""

from __future__ import annotations

from typing import NamedTuple

import jittor as jt
import numpy as np

from jsra.data.image import DataError
from jsra.data.mask_windows import windows_of
from jsra.data.masks import InstanceMasks


class MaskTruth(NamedTuple):
    """bitmaps uint8 [T], places int32 [B * G, 5]: windows of the padded input, in the form of jsra.ops.mask_targets; size:
    (height, width) of the padded input. has [B, G]: 0 for an object without a mask or with an empty mask, else 1. Shape
    letters: see jsra.boxes.structures."""

    bitmaps: jt.Var
    places: jt.Var
    has: jt.Var
    size: tuple


def mask_truth(targets) -> MaskTruth:
    """targets: Targets with `masks` in each image: InstanceMasks, or bitmaps [n, height, width]. Polygons and RLEs are drawn
    here. Raises ValueError if an image has no masks, and DataError with file and object for an invalid mask."""
    rows, bitmaps, start = np.zeros((len(targets), targets.truth.boxes.shape[1], 5), np.int32), [], 0
    for row, target in zip(rows, targets):
        masks = target.get("masks")
        if masks is None or len(masks) != len(target["bboxes"]):
            raise ValueError(
                f"image {target['img_id']!r} has {len(target['bboxes'])} bboxes and "
                f"{'no' if masks is None else len(masks)} masks: a mask branch trains on one for each; set "
                "dataset.train.with_masks=True"
            )
        if not isinstance(masks, InstanceMasks):  # an empty list has no size
            masks = InstanceMasks.of_bitmaps(masks) if len(masks) else InstanceMasks([], *target["img_size"])
        try:
            places, pixels = windows_of(masks.segmentations, masks.width, masks.height)
        except ValueError as error:
            raise DataError(f"{target.get('img_file')} (image id {target['img_id']!r}), {error}") from None
        places[:, 0] += start
        row[: len(places)] = places
        bitmaps.append(pixels)
        start += len(pixels)
    pads = [t["img_size"] if t.get("pad_shape") is None else t["pad_shape"] for t in targets]
    width, height = (int(side) for side in np.max(pads, axis=0))
    has = (rows[:, :, 3] > 0).astype(np.float32)
    pixels = np.concatenate([*bitmaps, np.zeros(1, np.uint8)])  # one more, so that the array is never empty
    arrays = [jt.array(a).stop_grad() for a in (pixels, rows.reshape(-1, 5), has)]
    return MaskTruth(*arrays, (height, width))
