"""Table 11: cosine similarity of RoI features before and after a transformation of the image or of the box.

The paper only names the three transformations. Our assumptions:
    rotation         of the image about its centre, by an angle uniform over the full circle, onto a canvas large enough for
                     the whole image; the new box is the tightest box around the rotated mask (without a mask: box)
    reflection       of the image, left to right
    scaling_panning  of the box only: its size by a factor log-uniform in [1/1.25, 1.25], its centre by up to 15 percent
                     of its width and height
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from jsra.paper.features import Objects, roi_features
from jsra.registry import ConfigError

KINDS = ("rotation", "reflection", "scaling_panning")
MAX_SCALE, MAX_PAN = 1.25, 0.15


def measure(
    model, config, split: str = "val", limit: int = 100, seed: int = 0, kinds=KINDS, max_angle: float = 180.0
) -> dict:
    """{kind: mean cosine similarity over the objects of `limit` images, 'objects': number of objects}."""
    found = {kind: [] for kind in kinds}
    objects = Objects(config, split, limit)
    rng = np.random.default_rng(seed)
    for image, boxes, masks in objects:
        boxes = tight_boxes(boxes, masks)
        before = roi_features(model, objects.after(image), boxes)
        for kind in kinds:
            if kind == "rotation":
                changed, new_boxes = rotate(
                    image, boxes, masks, rng.uniform(-max_angle, max_angle), mean_colour(objects.rest)
                )
            elif kind == "reflection":
                changed, new_boxes = reflect(image, boxes)
            else:
                changed, new_boxes = image, scale_and_pan(boxes, rng)
            found[kind].extend(cosine(before, roi_features(model, objects.after(changed), new_boxes)))
    if not any(found.values()):
        raise ConfigError(f"dataset.{split} has no object of at least a few pixels to compare features of")
    return {**{kind: float(np.mean(values)) for kind, values in found.items()}, "objects": len(found[kinds[0]])}


def cosine(a, b) -> np.ndarray:
    """Cosine similarities [K] of the rows of a and b, both [K, D]; 0 if a row is zero."""
    product = (a * b).sum(1)
    length = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.where(length > 0, product / np.maximum(length, 1e-12), 0.0)


def mean_colour(transforms) -> tuple:
    """The colour that normalises to 0; it fills the empty corners after a rotation."""
    mean = next((t["mean"] for t in transforms if t["type"] == "Normalize"), (0, 0, 0))
    return tuple(int(round(v)) for v in mean)


def tight_boxes(boxes, masks) -> np.ndarray:
    """The tightest boxes around the masks; for an object without a mask, its box."""
    out = np.array(boxes, np.float32)
    for i, mask in enumerate(masks if masks is not None else ()):
        corners = mask_corners(mask)
        if len(corners):
            out[i] = [*corners.min(0), *corners.max(0)]
    return out


def mask_corners(mask) -> np.ndarray:
    """The corners (x, y) [n, 2] of the first and last pixel of each row of a mask: their convex hull is that of the mask."""
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return np.zeros((0, 2))
    first = mask[rows].argmax(1)
    last = mask.shape[1] - mask[rows][:, ::-1].argmax(1)
    parts = [(x, y) for x in (first, last) for y in (rows, rows + 1)]
    return np.concatenate([np.stack([x, y], 1) for x, y in parts]).astype(np.float64)


def reflect(image, boxes):
    """Mirror an image and its boxes [K, 4] left to right."""
    width = image.shape[1]
    return np.ascontiguousarray(image[:, ::-1]), np.stack(
        [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1
    )


def rotation_matrix(width, height, angle):
    """(2 x 3 matrix that maps points of the image to points of the rotated one, its width, its height); angle in degrees.

    Points are in pixels; the first pixel's centre is (0.5, 0.5). The canvas is the smallest that holds the rotated image.
    """
    a = math.radians(angle)
    cos, sin = math.cos(a), math.sin(a)
    new_width = math.ceil(abs(width * cos) + abs(height * sin) - 1e-6)
    new_height = math.ceil(abs(width * sin) + abs(height * cos) - 1e-6)
    linear = np.array([[cos, -sin], [sin, cos]])
    shift = np.array([new_width, new_height]) / 2 - linear @ np.array([width, height]) / 2
    return np.concatenate([linear, shift[:, None]], 1), new_width, new_height


def rotate(image, boxes, masks, angle, fill=(0, 0, 0)):
    """The image rotated by `angle` degrees (from x towards y; bilinear), and its boxes: see the top of this file."""
    height, width = image.shape[:2]
    matrix, new_width, new_height = rotation_matrix(width, height, angle)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    turned = Image.fromarray(image).transform(
        (new_width, new_height), Image.AFFINE, tuple(inverse.ravel()), Image.BILINEAR, fillcolor=fill
    )
    out = np.empty((len(boxes), 4), np.float32)
    for i, box in enumerate(boxes):
        corners = mask_corners(masks[i]) if masks is not None else np.zeros((0, 2))
        if not len(corners):
            corners = np.array([[box[x], box[y]] for x in (0, 2) for y in (1, 3)], np.float64)
        points = corners @ matrix[:, :2].T + matrix[:, 2]
        out[i] = [*points.min(0), *points.max(0)]
    return np.asarray(turned), out


def scale_and_pan(boxes, rng) -> np.ndarray:
    """The boxes [K, 4], each scaled about its centre and moved at random."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    factor = np.exp(rng.uniform(-math.log(MAX_SCALE), math.log(MAX_SCALE), (len(boxes), 1)))
    centre = centre + rng.uniform(-MAX_PAN, MAX_PAN, size.shape) * size
    return np.concatenate([centre - size * factor / 2, centre + size * factor / 2], 1).astype(np.float32)
