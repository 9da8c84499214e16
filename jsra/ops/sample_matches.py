"""Draws a fixed number of positives and negatives from matched boxes, by keys.

Shape letters: B images; N boxes per image.
"""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.kernel import run


def sample_matches(matched, keys, num: int, pos_fraction: float, neg_pos_ub: float = -1):
    """For each image, draw the positives and negatives with the smallest keys; equal keys in order of increasing index.

    Args:
        matched: int32 [B, N]: above 0 positive, 0 negative, below 0 never drawn (see jsra.ops.match_boxes).
        keys: int32 or uint32 [B, N]; or a seed, an int from 0 to 2^53 - 1: keys are then a hash of seed, image and box, the
            same on every device. Equal seeds draw equal samples.
        num: boxes per image. pos_fraction: at most int(num * pos_fraction) of them are positives, the others are negatives.
        neg_pos_ub: if 0 or more, at most this many negatives per positive (without positives: this many negatives).
    Returns: (index int32 [B, num], num_pos int32 [B], count int32 [B]). index: the positives in increasing order, then the
        negatives in increasing order, -1 from `count` on.
    Raises: ValueError for wrong ranks, shapes, dtypes or numbers.
    """
    check.var("matched", matched, rank=2, dtypes=("int32",))
    if int(num) != num or num < 1:
        raise ValueError(f"num: expected an integer of at least 1, got {num!r}")
    if not 0 <= pos_fraction <= 1:
        raise ValueError(f"pos_fraction: expected 0 to 1, got {pos_fraction!r}")
    has_keys = isinstance(keys, jt.Var)
    if has_keys:
        check.var("keys", keys, rank=2, dtypes=("int32", "uint32"))
        if list(keys.shape) != list(matched.shape):
            raise ValueError(f"keys: expected the shape of matched, {list(matched.shape)}, got {list(keys.shape)}")
    elif not isinstance(keys, (int, np.integer)) or not 0 <= keys < 2**53:
        raise ValueError(f"keys: expected a Var, or a seed of 0 to 2^53 - 1, got {keys!r}")
    images, count = matched.shape
    return tuple(
        run(
            "sample_matches",
            "forward",
            [matched, keys if has_keys else matched],
            [((images, num), "int32"), ((images,), "int32"), ((images,), "int32")],
            images=images, count=count, num=num, max_pos=int(num * pos_fraction), per_positive=float(neg_pos_ub),
            has_keys=has_keys, seed=0 if has_keys else int(keys),
        )
    )  # fmt: skip
