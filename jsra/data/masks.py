"""COCO segmentations (polygons, compressed or uncompressed RLE): stored unchanged, converted to bitmaps and back."""

from __future__ import annotations

from math import isfinite

import numpy as np
from pycocotools import mask as coco_mask

from jsra.arguments import short
from jsra.data.resize import resize_nearest

FORM = "it must be a list of polygons, each one list of numbers, [[x0, y0, x1, y1, ...], ...]"
FARTHEST = 1e6  # pixels
LONGEST = 1e7  # pixels of an outline: the rasteriser needs 40 bytes for each, and crashes if they are not there


class InstanceMasks:
    """The masks of the n objects of an image of (width, height) pixels, as annotated: polygons stay polygons.

    segmentations: a list of n COCO segmentations; None: an empty mask. `np.asarray(masks)` gives the bitmaps, uint8 [n,
    height, width] of 0 and 1. Every change returns a new object. Polygons are transformed exactly, an RLE by its pixels.
    """

    __slots__ = ("segmentations", "width", "height")

    def __init__(self, segmentations, width: int, height: int):
        self.segmentations = list(segmentations)
        self.width, self.height = int(width), int(height)

    @classmethod
    def of_bitmaps(cls, bitmaps):
        """The masks with bitmaps [n, height, width]."""
        bitmaps = np.asarray(bitmaps)
        return cls([encode(bitmap) for bitmap in bitmaps], bitmaps.shape[2], bitmaps.shape[1])

    def __len__(self):
        return len(self.segmentations)

    def __array__(self, dtype=None, copy=None):
        out = to_bitmaps(self.segmentations, self.width, self.height)
        return out if dtype is None else out.astype(dtype)

    def select(self, kept):
        """The masks for which `kept`, bool [n], is true."""
        return InstanceMasks([s for s, k in zip(self.segmentations, kept) if k], self.width, self.height)

    def resize(self, width: int, height: int):
        """The masks resized to an image of (width, height) pixels."""
        x, y = width / self.width, height / self.height
        return self._changed(
            width, height, lambda points: points * [x, y], lambda bitmap: resize_nearest(bitmap[None], width, height)[0]
        )

    def flip(self, horizontal: bool, vertical: bool):
        """The masks of the mirrored image."""
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
        """The masks with empty columns added at the right and empty rows at the bottom; right, down: their numbers. Parts of
        a polygon outside the image, e.g. after a crop, are cut off so that they do not appear in the new area."""
        inside = InstanceMasks(map(self._within, self.segmentations), self.width, self.height)
        return inside._changed(
            self.width + right, self.height + down, lambda points: points,
            lambda bitmap: np.pad(bitmap, ((0, down), (0, right))),
        )  # fmt: skip

    def _within(self, segmentation):
        """A segmentation as RLE, if its polygons exceed the image at the right or the bottom; else unchanged."""
        if not isinstance(segmentation, (list, tuple)):
            return segmentation
        beyond = any(max(p[0::2]) > self.width or max(p[1::2]) > self.height for p in segmentation)
        return encode(to_bitmap(segmentation, self.width, self.height)) if beyond else segmentation

    def _changed(self, width, height, move, redraw):
        """The changed masks. move: a function of points [p, 2]; redraw: a function of a bitmap."""

        def changed(segmentation):
            if segmentation is None:
                return None
            if isinstance(segmentation, dict):
                return encode(redraw(to_bitmap(segmentation, self.width, self.height)))
            return [move(np.reshape(polygon, (-1, 2))).ravel().tolist() for polygon in segmentation]

        return InstanceMasks(map(changed, self.segmentations), width, height)


def to_rle(segmentation, width: int, height: int):
    """Compressed RLE of a list of polygons [[x0, y0, x1, y1, ...], ...], an uncompressed or a compressed RLE.

    Raises ValueError for anything else, with the text of `mask_problem`.
    """
    what = mask_problem(segmentation, width, height)
    if what:
        raise ValueError(what)
    if isinstance(segmentation, dict):
        plain = isinstance(segmentation["counts"], (list, tuple))
        return coco_mask.frPyObjects(segmentation, height, width) if plain else segmentation
    return coco_mask.merge(coco_mask.frPyObjects([list(p) for p in segmentation], height, width))


def mask_problem(segmentation, width: int, height: int):
    """What is wrong with a segmentation of an image of (width, height) pixels, None if nothing."""
    if isinstance(segmentation, dict):
        return _rle_problem(segmentation, width, height)
    if not isinstance(segmentation, (list, tuple)) or not segmentation:
        return f"a segmentation must be a list of polygons or an RLE, not {short(segmentation)}"
    what = _polygon_problem(segmentation)
    if what and _is_of_points(segmentation):  # only then, as it takes longer than the checks
        return f"{FORM}, not {short(segmentation)}"
    return what


def _polygon_problem(segmentation):
    """What is wrong with a list of polygons, None if nothing."""
    for polygon in segmentation:
        if not isinstance(polygon, (list, tuple, np.ndarray)) or len(polygon) < 6 or len(polygon) % 2:
            return f"a polygon needs x and y of at least 3 points, it is {short(polygon)}"
        try:
            low, high = min(polygon), max(polygon)
            within = -FARTHEST < low and high < FARTHEST and isfinite(sum(polygon))
            if not within or bool in map(type, polygon):  # JSON's true is Python's 1
                raise ValueError(polygon)
        except (TypeError, ValueError, OverflowError):
            return f"a polygon has a coordinate that is not a number of pixels below {FARTHEST:g}"
        if len(polygon) / 2 * (high - low) > LONGEST and _outline(polygon) > LONGEST:  # the first is the longest possible
            return f"a polygon has an outline of more than {LONGEST:g} pixels"
    return None


def _is_of_points(segmentation) -> bool:
    """Whether a list has the coordinates of polygons in another form: [x, y, ...], [[x, y], ...] or [[[x, y], ...], ...]."""
    items = [item for polygon in segmentation for item in (polygon if isinstance(polygon, (list, tuple)) else ())]
    pairs = len(segmentation) > 2 and all(isinstance(p, (list, tuple)) and len(p) == 2 for p in segmentation)
    return all(map(_is_number, segmentation)) or pairs or any(isinstance(item, (list, tuple)) for item in items)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _outline(polygon) -> float:
    """The length of a polygon's outline, each edge by its longer side."""
    points = np.reshape(np.asarray(polygon, float), (-1, 2))
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


def _rle_problem(rle, width, height):
    size = rle.get("size")
    if size not in ([height, width], (height, width)):
        return f"an RLE of size {short(size)}, the image has [{height}, {width}]"
    try:
        counts = _counts(rle.get("counts"))
        readable = all(n >= 0 for n in counts)
    except (TypeError, LookupError, ValueError):
        readable = False
    if not readable:
        return f"an RLE whose counts cannot be read: {short(rle.get('counts'))}"
    if sum(counts) != width * height:
        return f"an RLE of {sum(counts)} pixels, the image has {width * height}"
    return None


def _counts(counts) -> list:
    """The lengths of the runs of 0, 1, 0, ... They are checked because pycocotools' decoder writes outside its memory for
    wrong ones.

    Compressed: each character (minus 48) has 5 bits of a number, lowest bits first, and a sixth bit that is 1 if more follow;
    the highest bit of a number is its sign; from the fourth number on, it is the difference to the number two before.
    """
    if isinstance(counts, (list, tuple)):
        if not all(type(n) is int for n in counts):
            raise TypeError(counts)
        return counts
    values = counts.encode("ascii") if isinstance(counts, str) else counts
    numbers, i = [], 0
    while i < len(values):
        number, shift, more = 0, 0, True
        while more:
            bits = values[i] - 48
            if not 0 <= bits < 64:
                raise ValueError(counts)
            number, shift, more, i = number | (bits & 31) << shift, shift + 5, bits & 32, i + 1
        if bits & 16:
            number -= 1 << shift
        numbers.append(number + numbers[-2] if len(numbers) > 2 else number)
    return numbers


def is_empty(segmentation, width: int, height: int) -> bool:
    """Whether a valid segmentation has no pixel in the image: all polygons outside, or an RLE without ones."""
    if isinstance(segmentation, dict):
        return not any(_counts(segmentation["counts"])[1::2])
    return all(
        max(p[0::2]) <= 0 or max(p[1::2]) <= 0 or min(p[0::2]) >= width or min(p[1::2]) >= height for p in segmentation
    )


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


def placed(bitmap, left: int, top: int, width: int, height: int):
    """(RLE, (x0, y0, x1, y1) of its pixels) of a bitmap whose first pixel is at (left, top) in an image of (width, height)
    pixels; None if it has no pixel in the image."""
    ys, xs = np.nonzero(bitmap)
    xs, ys = xs + left, ys + top
    inside = (xs >= 0) & (ys >= 0) & (xs < width) & (ys < height)
    xs, ys = xs[inside], ys[inside]
    if not len(xs):
        return None
    whole = np.zeros((height, width), np.uint8)
    whole[ys, xs] = 1
    return encode(whole), (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def area(rle) -> float:
    """The area of a mask in pixels."""
    return float(coco_mask.area(rle))


def box(rle):
    """xywh of the mask's tight box."""
    return [float(v) for v in coco_mask.toBbox(rle)]
