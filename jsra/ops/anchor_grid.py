"""Anchors on the grids of all levels, and which of them are inside their image.

Shape letters: B images; L levels; A anchors per position; N all anchors, ordered by level, position (row by row), anchor.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def anchor_grid(base, strides, sizes) -> jt.Var:
    """The anchors xyxy [N, 4] in image pixels: `base` [L, A, 4] of position (0, 0), moved to every position by stride *
    index.

    Args:
        strides: image pixels per cell of each level, integers. sizes: (height, width) of each level's map.
    Raises: ValueError for wrong shapes or lengths.
    """
    check.var("base", base, rank=3, last=4, dtypes=("float32",))
    numbers = _levels(strides, sizes, base.shape[1])
    if base.shape[0] != len(numbers["strides"]):
        raise ValueError(
            f"base: expected {len(numbers['strides'])} levels, as there are strides, got {list(base.shape)}"
        )
    return run("anchor_grid", "forward", [base], [((numbers["count"], 4), "float32")], **numbers)


def anchor_valid(image_sizes, strides, sizes, anchors: int) -> jt.Var:
    """int32 [B, N]: 1 if the first corner of the anchor's cell is inside its image, else 0.

    image_sizes: int32 [B, 2], (width, height) of each image in pixels; anchors: A. Other arguments: see anchor_grid.
    """
    check.var("image_sizes", image_sizes, rank=2, last=2, dtypes=("int32",))
    numbers = _levels(strides, sizes, int(anchors))
    images = image_sizes.shape[0]
    return run("anchor_grid", "valid", [image_sizes], [((images, numbers["count"]), "int32")], images=images, **numbers)


def _levels(strides, sizes, anchors) -> dict:
    """The scalars of a kernel for the levels."""
    if len(strides) != len(sizes):
        raise ValueError(
            f"sizes: expected one (height, width) for each of the {len(strides)} strides, got {len(sizes)}"
        )
    heights, widths = [int(h) for h, _ in sizes], [int(w) for _, w in sizes]
    count = anchors * sum(h * w for h, w in zip(heights, widths))
    return dict(count=count, anchors=anchors, heights=heights, widths=widths, strides=[int(s) for s in strides])
