"""Inputs for comparing this package with mmdet and torchvision: reference/make_*.py, which run in the peer's Python, and the
tests make the same ones. Uses only NumPy and PIL.
"""

from __future__ import annotations

import json
import os
import zlib

import numpy as np

from jsra.bench.weights import seeded  # noqa: F401  (the weights of both sides)

IMAGES = {139: 800, 632: 480, 724: 480}  # id in coco_mini/val2017: shorter side
TRAINING = (632, 724)  # one batch; 632 has a crowd region
SAMPLES = 64
FEW = dict(per_object=1, random=20)  # proposals: masks are costly to train on
FOLDER = os.path.join(os.path.dirname(__file__), "reference")
# Gradients that are compared, by our names of the time (jsra.convert.names.current tells today's).
GRADIENTS = (
    "backbone.layer2.0.conv1.weight", "backbone.layer4.2.bn2.weight", "backbone.layer3.1.conv2.weight",
    "neck.lateral_convs.0.weight", "neck.fpn_convs.2.weight", "rpn.convs.0.weight", "rpn.box.weight",
    "roi_head.box_head.fcs.0.weight", "roi_head.box_head.cls.weight",
)  # fmt: skip
# Faster R-CNN on one map: what else `proposals` is given, and the gradients.
ONE_MAP = {
    "c4": (
        dict(per_object=1, random=20),
        (
            "backbone.layer2.0.conv1.weight", "backbone.layer3.1.conv2.weight", "rpn.convs.0.weight", "rpn.box.weight",
            "roi_head.box.head.layer4.0.conv2.weight", "roi_head.box.head.layer4.0.downsample.0.weight",
            "roi_head.box.head.layer4.2.conv3.weight", "roi_head.box.head.cls.weight", "roi_head.box.head.box.bias",
        ),
    ),
    "dc5": (
        {},
        (
            "backbone.layer4.0.conv2.weight", "backbone.layer4.2.conv1.weight", "neck.convs.0.weight", "neck.convs.0.bias",
            "rpn.convs.0.weight", "rpn.box.weight", "roi_head.box.head.fcs.0.weight", "roi_head.box.head.box.bias",
        ),
    ),
}  # fmt: skip
# Of RetinaNet.
RETINANET_IMAGES = (632, 724)
RETINANET_GRADIENTS = (
    "backbone.layer2.0.conv1.weight", "backbone.layer4.2.bn2.weight", "neck.lateral_convs.0.weight",
    "neck.fpn_convs.3.weight", "neck.fpn_convs.4.bias", "head.cls_convs.0.weight", "head.box_convs.3.weight",
    "head.cls.weight", "head.cls.bias", "head.box.weight",
)  # fmt: skip


def modest(name: str, shape) -> np.ndarray:
    """Seeded weights with logits so small that no two scores are the same number."""
    return seeded(name, shape) * np.float32(0.1 if ".cls." in name else 1)


def sampled(array: np.ndarray, name: str) -> np.ndarray:
    """SAMPLES of the numbers, always at the same places."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), array.size])
    return array.reshape(-1)[rng.integers(0, array.size, SAMPLES)]


def load_image(folder: str, image_id: int):
    """(normalised float32 [3, H, W] padded to multiples of 32, (w, h) before padding, (w, h) of the file)."""
    from PIL import Image

    image = Image.open(os.path.join(folder, "val2017", f"{image_id:012d}.jpg")).convert("RGB")
    scale = IMAGES[image_id] / min(image.size)
    size = tuple(int(round(s * scale)) for s in image.size)
    return prepared(image.resize(size, Image.BILINEAR)), size, image.size


def prepared(image):
    """A picture of PIL, normalised and padded: float32 [3, H, W]."""
    size, pixels = image.size, np.asarray(image, np.float32)
    pixels = (pixels - np.float32([123.675, 116.28, 103.53])) / np.float32([58.395, 57.12, 57.375])
    padded = np.zeros((3, -(-size[1] // 32) * 32, -(-size[0] // 32) * 32), np.float32)
    padded[:, : size[1], : size[0]] = pixels.transpose(2, 0, 1)
    return padded


def _annotations(folder: str, image_id: int):
    """(the entry of the image, its annotations, {category id: label})."""
    with open(os.path.join(folder, "annotations", "instances_val2017.json"), encoding="utf8") as file:
        data = json.load(file)
    order = {c["id"]: i + 1 for i, c in enumerate(sorted(data["categories"], key=lambda c: c["id"]))}
    info = next(i for i in data["images"] if i["id"] == image_id)
    return info, [a for a in data["annotations"] if a["image_id"] == image_id], order


def load_polygons(folder: str, image_id: int, size) -> list:
    """A list of polygons for each object that load_boxes gives, in pixels of the image resized to `size` (w, h)."""
    info, found, _ = _annotations(folder, image_id)
    scale = np.array([size[0] / info["width"], size[1] / info["height"]])
    return [
        [(np.reshape(polygon, (-1, 2)) * scale).ravel().tolist() for polygon in a["segmentation"]]
        for a in found
        if not a["iscrowd"]
    ]


def load_boxes(folder: str, image_id: int):
    """(boxes [n, 4] in pixels of the resized image, labels [n] 1-based, crowd boxes [m, 4])."""
    info, found, order = _annotations(folder, image_id)
    scale = IMAGES[image_id] / min(info["width"], info["height"])

    def boxes(crowd):
        xywh = np.array([a["bbox"] for a in found if a["iscrowd"] == crowd], np.float64).reshape(-1, 4) * scale
        return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)

    return boxes(0), np.array([order[a["category_id"]] for a in found if not a["iscrowd"]], np.int64), boxes(1)


def proposals(boxes: np.ndarray, size, seed: int, per_object: int = 12, random: int = 60) -> np.ndarray:
    """Boxes around the objects and anywhere in an image of `size` (w, h), for the losses of the second stage."""
    rng = np.random.default_rng(seed)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    near = np.repeat(boxes, per_object, 0) + rng.normal(0, 0.15, (len(boxes) * per_object, 4)) * np.repeat(
        sides, per_object, 0
    )
    first = rng.uniform(0, 0.7, (random, 2)) * size
    away = np.concatenate([first, first + rng.uniform(8, 200, (random, 2))], axis=1)
    every = np.concatenate([near, away])
    every = np.clip(every, 0, np.array([*size, *size]))
    large = (every[:, 2] - every[:, 0] > 2) & (every[:, 3] - every[:, 1] > 2)
    return every[large].astype(np.float32)


def batch(images: list) -> np.ndarray:
    """Arrays [3, H, W] -> [B, 3, H, W], zeros on the right and below."""
    h, w = (max(i.shape[axis] for i in images) for axis in (1, 2))
    return np.stack([np.pad(i, ((0, 0), (0, h - i.shape[1]), (0, w - i.shape[2]))) for i in images])
