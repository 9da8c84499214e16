"""Write the vectors of mmdet's operations on masks: python tests/ops/vectors/make_mmdet.py (needs mmdet 3.3, not Jittor)."""

import json
import os

import numpy as np
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures.mask import BitmapMasks

HERE = os.path.dirname(os.path.abspath(__file__))
HEIGHT, WIDTH = 48, 60


def random_boxes(rng, count):
    corners = rng.uniform(-4, [WIDTH + 4, HEIGHT + 4], (count, 2, 2))
    return np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32)


def ellipses(rng, count):
    """Bitmaps [count, HEIGHT, WIDTH], some cut by the border."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    centres, radii = rng.uniform(0, [WIDTH, HEIGHT], (count, 2)), rng.uniform(3, 20, (count, 2))
    inside = [((x - c[0]) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 < 1 for c, r in zip(centres, radii)]
    return np.stack(inside).astype(np.uint8)


def window(bitmap, start):
    """(place, the pixels of the tight window column by column)."""
    rows, columns = np.flatnonzero(bitmap.any(1)), np.flatnonzero(bitmap.any(0))
    inside = bitmap[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return [start, columns[0], rows[0], inside.shape[1], inside.shape[0]], inside.ravel("F")


def mask_targets(rng):
    masks, boxes, index = ellipses(rng, 6), random_boxes(rng, 20), rng.integers(0, 6, 20).astype(np.int32)
    boxes[:6] = np.round(boxes[:6])
    clipped = boxes.clip(0, [WIDTH, HEIGHT] * 2)
    out = BitmapMasks(masks, HEIGHT, WIDTH).crop_and_resize(clipped, (14, 14), index, "cpu", binarize=False).masks
    places, pixels, start = [], [], 0
    for mask in masks:
        place, inside = window(mask, start)
        places.append(place)
        pixels.append(inside)
        start += len(inside)
    inputs = [np.concatenate(pixels), np.int32(places), boxes, index]
    return inputs, dict(image_size=[HEIGHT, WIDTH], output_size=14), np.float32(out)


def paste_masks(rng):
    boxes = random_boxes(rng, 8)
    boxes = boxes[((boxes[:, :2] < [WIDTH, HEIGHT]) & (boxes[:, 2:] > 0)).all(axis=1)]
    masks = rng.uniform(0, 1, (len(boxes), 9, 9)).astype(np.float32)
    whole, _ = _do_paste_mask(torch.from_numpy(masks[:, None]), torch.from_numpy(boxes), HEIGHT, WIDTH, skip_empty=False)
    assert (whole - 0.5).abs().min() > 1e-6, "a pixel at the threshold: rounding would decide"
    places, pixels, start = [], [], 0
    for bitmap, box in zip((whole >= 0.5).numpy(), boxes):
        left, top = np.floor(box[:2]).clip(0).astype(int)
        right, bottom = np.ceil(box[2:]).clip(0, [WIDTH, HEIGHT]).astype(int)
        inside = bitmap[top:bottom, left:right]
        assert inside.sum() == bitmap.sum(), "a mask reaches beyond its box"
        places.append([start, left, top, right - left, bottom - top])
        pixels.append(inside.ravel("F"))
        start += inside.size
    return [masks, boxes, np.int32(places)], dict(total=start), np.concatenate(pixels).astype(np.uint8)


for function in (mask_targets, paste_masks):
    inputs, settings, out = function(np.random.default_rng(0))
    arrays = {f"mmdet/in{i}": array for i, array in enumerate(inputs)}
    arrays.update({"mmdet/out0": out, "mmdet/settings": np.array(json.dumps(settings))})
    np.savez_compressed(os.path.join(HERE, f"{function.__name__}.npz"), **arrays)
