"""Masks as bitmaps of windows of their image, so that the memory depends on the size of the objects, not of the image.

A window is five numbers: the start of its bitmap in the array of all bitmaps, and left, top, width, height in pixels.
A bitmap is uint8 of 0 and 1, column by column, as in COCO's RLE; outside its window a mask is 0.
"""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from jsra.data.masks import to_rle


def windows_of(segmentations, width: int, height: int):
    """(places int32 [n, 5], bitmaps uint8 [T]) of COCO segmentations, each in its tight box; None and masks without pixels
    give empty windows. Only one bitmap of the whole image exists at a time. Raises ValueError with the object's number for an
    invalid segmentation (see jsra.data.masks.to_rle)."""
    places, bitmaps, start = [], [], 0
    for i, segmentation in enumerate(segmentations):
        left = top = w = h = 0
        if segmentation is not None:
            try:
                rle = to_rle(segmentation, width, height)
            except ValueError as error:
                raise ValueError(f"object {i}: {error}") from None
            left, top, w, h = (int(v) for v in coco_mask.toBbox(rle))
        if w and h:
            bitmaps.append(coco_mask.decode(rle)[top : top + h, left : left + w].ravel("F"))
        places.append([start, left, top, w, h])
        start += w * h
    return np.array(places, np.int32).reshape(-1, 5), np.concatenate([np.zeros(0, np.uint8), *bitmaps])


def windows_of_boxes(boxes, sizes):
    """(places int64 [n, 5], number of pixels of all windows) for boxes xyxy [n, 4]: a window is all pixels its box touches.

    sizes: (width, height) of the image, or [n, 2], one per box.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    first = np.clip(np.floor(boxes[:, :2]), 0, sizes)
    past = np.clip(np.ceil(boxes[:, 2:]), first, sizes)
    sides = (past - first).astype(np.int64) * (boxes[:, 2:] > boxes[:, :2]).all(axis=1, keepdims=True)
    ends = sides.prod(axis=1).cumsum()
    starts = np.concatenate([[0], ends[:-1]])
    return np.column_stack([starts[: len(boxes)], first, sides]).astype(np.int64), int(ends[-1]) if len(ends) else 0


def to_rles(places, bitmaps, sizes) -> list:
    """The masks in windows as RLE of the whole images, in the format of COCO's result files.

    sizes: as for windows_of_boxes.
    """
    sizes = np.broadcast_to(sizes, (len(places), 2)).tolist()
    return [
        _rle(bitmaps[start : start + w * h].reshape(w, h), left, top, *size)
        for (start, left, top, w, h), size in zip(places.tolist(), sizes)
    ]


def _rle(columns, left, top, width, height):
    """The RLE of a window with columns [w, h]."""
    w, h = columns.shape
    # With a zero after each column, every run of ones ends within its own.
    line = np.zeros(1 + w * (h + 1), bool)
    line[1:].reshape(w, h + 1)[:, :h] = columns
    column, row = np.divmod(np.flatnonzero(line[1:] != line[:-1]), h + 1)
    edges = (left + column) * height + top + row  # where runs begin and end, in turn
    if h == height:  # a run that ends where the next begins is one
        inner = edges[1:-1].reshape(-1, 2)
        kept = inner[inner[:, 0] != inner[:, 1]].ravel()
        edges = np.concatenate([edges[:1], kept, edges[-1:]])
    counts = np.diff(edges, prepend=0, append=width * height)
    if not counts[-1] and len(counts) > 1:
        counts = counts[:-1]
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}
