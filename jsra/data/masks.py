"""COCO segmentations (polygons, RLE of either form): carried as they are, and to bitmaps and back."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from jsra.data.resize import resize_nearest

FARTHEST = 1e6  # pixels; the rasteriser's memory grows with the length of an edge


class InstanceMasks:
    """The masks of the n objects of an image of (width, height) pixels, as they are annotated: polygons stay polygons.

    segmentations: a list of n COCO segmentations, or None each (an empty mask). `np.asarray(masks)` is their bitmaps, uint8
    [n, height, width] of 0 and 1. Every change gives new masks. Polygons move exactly; an RLE by its pixels.
    """

    __slots__ = ("segmentations", "width", "height")

    def __init__(self, segmentations, width: int, height: int):
        self.segmentations = list(segmentations)
        self.width, self.height = int(width), int(height)

    @classmethod
    def of_bitmaps(cls, bitmaps):
        """Of bitmaps [n, height, width]."""
        bitmaps = np.asarray(bitmaps)
        return cls([encode(bitmap) for bitmap in bitmaps], bitmaps.shape[2], bitmaps.shape[1])

    def __len__(self):
        return len(self.segmentations)

    def __array__(self, dtype=None, copy=None):
        out = to_bitmaps(self.segmentations, self.width, self.height)
        return out if dtype is None else out.astype(dtype)

    def select(self, kept):
        """Those where `kept` [n] bool is true."""
        return InstanceMasks([s for s, k in zip(self.segmentations, kept) if k], self.width, self.height)

    def resize(self, width: int, height: int):
        x, y = width / self.width, height / self.height
        return self._changed(
            width, height, lambda points: points * [x, y], lambda bitmap: resize_nearest(bitmap[None], width, height)[0]
        )

    def flip(self, horizontal: bool, vertical: bool):
        axes = [axis for axis, wanted in ((0, vertical), (1, horizontal)) if wanted]
        size, sign = np.array([self.width * horizontal, self.height * vertical]), 1 - 2 * np.array([horizontal, vertical])
        return self._changed(
            self.width, self.height, lambda points: size + sign * points, lambda bitmap: np.flip(bitmap, axes)
        )

    def crop(self, left: int, top: int, width: int, height: int):
        """The window of (width, height) pixels at (left, top)."""
        return self._changed(
            width, height, lambda points: points - [left, top],
            lambda bitmap: bitmap[top : top + height, left : left + width],
        )  # fmt: skip

    def pad(self, right: int, down: int):
        """With so many empty columns and rows more."""
        return self._changed(
            self.width + right, self.height + down, lambda points: points,
            lambda bitmap: np.pad(bitmap, ((0, down), (0, right))),
        )  # fmt: skip

    def _changed(self, width, height, move, redraw):
        """move: of points [p, 2]; redraw: of a bitmap."""

        def changed(segmentation):
            if segmentation is None:
                return None
            if isinstance(segmentation, dict):
                return encode(redraw(to_bitmap(segmentation, self.width, self.height)))
            return [move(np.reshape(polygon, (-1, 2))).ravel().tolist() for polygon in segmentation]

        return InstanceMasks(map(changed, self.segmentations), width, height)


def check_segmentation(segmentation, width: int, height: int):
    """Raises ValueError, which says why, for what is no COCO segmentation of an image of (width, height): polygons of fewer
    than 3 points or far outside, an RLE of another size or without all of its pixels, anything else."""
    if isinstance(segmentation, dict):
        if list(segmentation.get("size", ())) != [height, width]:
            raise ValueError(f"RLE of size {segmentation.get('size')}, the image has [{height}, {width}]")
        counts = segmentation.get("counts")
        if not isinstance(counts, (list, str, bytes)) or not counts:
            raise ValueError("an RLE needs counts, and this one has none")
        if isinstance(counts, list):
            if not all(isinstance(v, int) and v >= 0 for v in counts):
                raise ValueError("the counts of an RLE are whole numbers of pixels")
            if sum(counts) != width * height:
                raise ValueError(f"the counts of the RLE make {sum(counts)} pixels, the image has {width * height}")
        return
    if not isinstance(segmentation, (list, tuple)) or not segmentation:
        raise ValueError(f"a segmentation is a list of polygons or an RLE, not {segmentation!r}")
    for polygon in segmentation:
        if not isinstance(polygon, (list, tuple)) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon needs x and y of at least 3 points")
        if not all(isinstance(v, (int, float)) and abs(v) < FARTHEST for v in polygon):
            raise ValueError(f"a polygon has a coordinate that is no number of pixels below {FARTHEST:g}")


def to_rle(segmentation, width: int, height: int):
    """Compressed RLE of a list of polygons [[x0, y0, x1, y1, ...], ...], an uncompressed or a compressed RLE.

    Raises ValueError as check_segmentation does.
    """
    check_segmentation(segmentation, width, height)
    if not isinstance(segmentation, dict):
        return coco_mask.merge(coco_mask.frPyObjects([list(p) for p in segmentation], height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


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
