"""Masks cropped and resized to boxes: the targets of a mask head."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def mask_targets(bitmaps, places, boxes, index, image_size, output_size: int = 28, sampling_ratio=0, aligned=True) -> jt.Var:
    """RoI Align of masks. Only a window of each mask is stored; outside the window the mask is 0.

    Args:
        bitmaps: uint8 [T], of 0 and 1: the windows one after the other, each column by column.
        places: int32 [W, 5], for each window: the start of its bitmap, and left, top, width, height in pixels of the image.
        boxes: float32 [K, 4], xyxy in pixels of the image; they are clipped to it.
        index: int32 [K]: the window of each box, -1 for none.
        image_size: (height, width) of the image, in pixels.
        output_size: rows and columns of a target.
        sampling_ratio, aligned: as in jsra.ops.roi_align.
    Returns: float32 [K, output_size, output_size], the fraction of each bin that the mask covers, 0 to 1; no gradient. Zeros
        without a window; boxes of zero size are handled as in jsra.ops.roi_align. For a binary mask, compare with 0.5 (>=).
    Raises: ValueError for wrong ranks, shapes, dtypes or sizes.
    Source: mmdet's BitmapMasks.crop_and_resize.
    """
    check.var("bitmaps", bitmaps, rank=1, dtypes=("uint8",))
    check.var("places", places, rank=2, last=5, dtypes=("int32",))
    check.var("boxes", boxes, rank=2, last=4, dtypes=("float32",))
    check.var("index", index, rank=1, dtypes=("int32",))
    if index.shape[0] != boxes.shape[0]:
        raise ValueError(f"index: expected one for each of the {boxes.shape[0]} boxes, got shape {list(index.shape)}")
    height, width = check.size_pair("image_size", image_size)
    side, columns = check.size_pair("output_size", output_size)
    if columns != side:
        raise ValueError(f"output_size: targets are squares, got {output_size!r}")
    return run(
        "mask_targets", "forward", [bitmaps, places, boxes, index], [((boxes.shape[0], side, side), "float32")],
        count=boxes.shape[0], side=side, windows=places.shape[0], total=bitmaps.shape[0], height=height, width=width,
        sampling_ratio=check.samples(sampling_ratio), aligned=check.flag("aligned", aligned),
    )  # fmt: skip
