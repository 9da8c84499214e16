"""COCO segmentations (polygons, RLE of either form) to bitmaps and back."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask


def to_rle(segmentation, width: int, height: int):
    """Compressed RLE of a list of polygons [[x0, y0, x1, y1, ...], ...], an uncompressed or a compressed RLE.

    Raises ValueError for anything else: polygons of fewer than 3 points, an RLE of another size.
    """
    if isinstance(segmentation, dict):
        if list(segmentation.get("size", ())) != [height, width]:
            raise ValueError(f"RLE of size {segmentation.get('size')}, the image has [{height}, {width}]")
        if isinstance(segmentation["counts"], list):
            return coco_mask.frPyObjects(segmentation, height, width)
        return segmentation
    if not isinstance(segmentation, (list, tuple)) or not segmentation:
        raise ValueError(f"a segmentation is a list of polygons or an RLE, not {segmentation!r}")
    for polygon in segmentation:
        if not isinstance(polygon, (list, tuple)) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon needs x and y of at least 3 points")
    return coco_mask.merge(coco_mask.frPyObjects([list(p) for p in segmentation], height, width))


def to_bitmap(segmentation, width: int, height: int):
    """uint8 [height, width] of 0 and 1."""
    return coco_mask.decode(to_rle(segmentation, width, height))


def to_bitmaps(segmentations, width: int, height: int):
    """uint8 [n, height, width]; None gives an empty mask."""
    out = np.zeros((len(segmentations), height, width), np.uint8)
    for i, segmentation in enumerate(segmentations):
        if segmentation is not None:
            out[i] = to_bitmap(segmentation, width, height)
    return out


def encode(bitmap) -> dict:
    """A bitmap [H, W] as the RLE of COCO result files: {'size': [H, W], 'counts': str}."""
    rle = coco_mask.encode(np.asfortranarray(bitmap.astype(np.uint8)))
    return {"size": [int(v) for v in rle["size"]], "counts": rle["counts"].decode("ascii")}


def area(rle) -> float:
    return float(coco_mask.area(rle))


def box(rle):
    """xywh of the mask's tight box."""
    return [float(v) for v in coco_mask.toBbox(rle)]
