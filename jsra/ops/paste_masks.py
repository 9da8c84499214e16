"""The masks of a mask head, resized into their boxes of the image."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def paste_masks(masks, boxes, places, total: int, threshold: float = 0.5) -> jt.Var:
    """Resize each mask to its box and give it as the bitmap of a window of the image.

    Args:
        masks: float32 [K, m, m], probabilities.
        boxes: float32 [K, 4], xyxy in pixels of the image; width and height must not be zero.
        places: int32 [K, 5], for each window: the start of its bitmap in the output, and left, top, width, height in pixels.
        total: number of pixels of all windows together.
        threshold: a pixel is 1 if the mask has at least this value there, by bilinear interpolation between the centres of
            its cells, with zeros around it.
    Returns: uint8 [total]: the windows one after the other, each column by column.
    Raises: ValueError for wrong ranks, shapes or dtypes.
    Source: mmdet's _do_paste_mask.
    """
    check.var("masks", masks, rank=3, dtypes=("float32",))
    check.var("boxes", boxes, rank=2, last=4, dtypes=("float32",))
    check.var("places", places, rank=2, last=5, dtypes=("int32",))
    count, side, columns = masks.shape
    if columns != side or boxes.shape[0] != count or places.shape[0] != count:
        raise ValueError(
            f"masks: expected squares, a box and a place for each; got shapes {list(masks.shape)}, {list(boxes.shape)} and "
            f"{list(places.shape)}"
        )
    return run(
        "paste_masks", "forward", [masks, boxes, places], [((total,), "uint8")],
        count=count, side=side, total=int(total), threshold=float(threshold),
    )  # fmt: skip
