"""Inputs for comparing mask AP with mmdet's on coco_masks: the peer's Python and the test make the same ones. Uses only NumPy
and PIL.

With random weights nothing would be found. Therefore proposals are near the objects, the bias of the masks' logits makes
masks fill a large part of their boxes, and each detection gets the class of the object that its box overlaps most.
"""

from __future__ import annotations

import json
import os

import numpy as np

from tests.detectors import parity

BIAS = 1.5  # added to the logits of the masks


def seeded(name: str, shape) -> np.ndarray:
    """parity.seeded, with the bias."""
    return parity.seeded(name, shape) + (BIAS if name == "roi_head.mask.head.logits.bias" else np.float32(0))


def ground_truth(folder: str) -> dict:
    with open(os.path.join(folder, "instances_val.json"), encoding="utf8") as file:
        return json.load(file)


def images(folder: str, truth: dict):
    """(id, pixels as of parity.load_image, (w, h), proposals [n, 4]) of each image with objects, at its own size."""
    from PIL import Image

    for info in truth["images"]:
        objects = boxes_of(truth, info["id"])[0]
        if len(objects):
            pixels = parity.prepared(Image.open(os.path.join(folder, "images", info["file_name"])).convert("RGB"))
            size = (info["width"], info["height"])
            yield info["id"], pixels, size, parity.proposals(objects, size, info["id"], per_object=3, random=5)


def boxes_of(truth: dict, image_id: int):
    """(boxes xyxy [n, 4], their category ids) of the objects of an image, crowds left out."""
    found = [a for a in truth["annotations"] if a["image_id"] == image_id and not a["iscrowd"]]
    xywh = np.array([a["bbox"] for a in found], np.float32).reshape(-1, 4)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1), [a["category_id"] for a in found]


def submission(truth: dict, image_id: int, boxes, scores, rles) -> list:
    """Entries of COCO's result form; rles: {size, counts: str} each."""
    objects, categories = boxes_of(truth, image_id)
    corners = np.maximum(boxes[:, None, :2], objects[:, :2]), np.minimum(boxes[:, None, 2:], objects[:, 2:])
    common = (corners[1] - corners[0]).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None], (objects[:, 2:] - objects[:, :2]).prod(axis=1)
    nearest = (common / (areas[0] + areas[1] - common + 1e-9)).round(4).argmax(axis=1)
    return [
        {"image_id": image_id, "category_id": categories[i], "score": float(score), "segmentation": rle}
        for i, score, rle in zip(nearest, scores, rles)
    ]
