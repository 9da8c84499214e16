"""Non-maximum suppression: among overlapping boxes, the one with the highest score is kept."""

from __future__ import annotations

from numbers import Real

import jittor as jt

from jsra.ops import check, kernel

_ONE_GROUP = -1  # special value of the limit: see jsra::nms_mode


def moved_limit() -> int:
    """The number of boxes up to which torchvision moves the groups apart; above it, it processes group by group."""
    return 25_000 if jt.flags.use_cuda else 1000


def nms(boxes, scores, iou_threshold) -> jt.Var:
    """Indices of the kept boxes: from the highest score to the lowest, each kept box removes those that overlap it too much.

    Args:
        boxes: [n, 4], (x0, y0, x1, y1).
        scores: [n].
        iou_threshold: a box is removed if its IoU with a kept box is greater; 0 to 1.
    Returns: int32 [k] in order of decreasing score; equal scores in order of increasing index. A box that is empty, inverted
        or not finite is never removed and removes nothing. NaN counts as the highest score.
    Raises: ValueError for a wrong rank, shape or dtype, or a threshold outside 0 to 1.
    Source: torchvision.ops.nms; the indices are identical (PyTorch's stable sort included).
    """
    return _single(boxes, scores, None, iou_threshold)


def batched_nms(boxes, scores, idxs, iou_threshold) -> jt.Var:
    """`nms` among boxes with equal `idxs` (int32 [n]: class or level).

    Source: torchvision.ops.batched_nms; the same boxes are kept. Up to a number of boxes (1000 on the CPU) torchvision moves
    each group to a separate area, and so does this function, with the same rounding. Above this number, torchvision orders
    equal scores by an unstable sort, this function by index.
    """
    check.var("idxs", idxs, rank=1, dtypes=("int32", "int64"))
    return _single(boxes, scores, idxs, iou_threshold)


def nms_batch(boxes, scores, groups, valid, iou_threshold, max_keep: int):
    """`batched_nms` for several images at once, without reading anything on the host.

    Args:
        boxes: [B, n, 4]. scores: [B, n].
        groups: int32 [B, n], or [n] for all images; None: all boxes of an image form one group.
        valid: int32 [B, n], 0 for rows that are not boxes; None: all are boxes.
        max_keep: largest number of kept boxes per image.
    Returns: (keep int32 [B, max_keep], count int32 [B]): indices of the kept boxes, in the order of batched_nms, and -1
        from `count` on.
    Raises: ValueError for a wrong rank, shape or dtype, or a threshold outside 0 to 1.
    """
    check.var("boxes", boxes, rank=3, last=4)
    images, count = boxes.shape[:2]
    if int(max_keep) != max_keep or max_keep < 1:
        raise ValueError(f"max_keep: expected an integer of at least 1, got {max_keep!r}")
    for name, value, dtypes in (
        ("groups", groups, ("int32",)),
        ("valid", valid, ("int32",)),
        ("scores", scores, check.FLOATS),
    ):
        shapes = [[images, count], [count]] if name == "groups" else [[images, count]]
        if value is not None and list(check.var(name, value, dtypes=dtypes).shape) not in shapes:
            raise ValueError(
                f"{name}: expected {' or '.join(map(str, shapes))}, one for each box, got {list(value.shape)}"
            )
    return tuple(_run(boxes, scores, groups, valid, iou_threshold, int(max_keep)))


def _single(boxes, scores, groups, threshold):
    """Indices of the kept boxes of one image; only here the host reads their number."""
    check.var("boxes", boxes, rank=2, last=4)
    count = boxes.shape[0]
    for name, value in (("scores", scores), ("idxs", groups)):
        if value is not None and list(value.shape) != [count]:
            raise ValueError(f"{name}: expected shape [{count}], one for each box, got {list(value.shape)}")
    check.var("scores", scores, rank=1)
    groups = None if groups is None else groups.int32()
    keep, kept = _run(boxes.unsqueeze(0), scores.unsqueeze(0), groups, None, threshold, max(count, 1))
    return keep[0, : int(kept.numpy()[0])]


def _run(boxes, scores, groups, valid, threshold, limit):
    """The kernel: (keep [B, limit], kept [B])."""
    if not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise ValueError(f"iou_threshold: expected 0 to 1, got {threshold!r}")
    images, count = boxes.shape[:2]
    dtype = "float64" if "float64" in (str(boxes.dtype), str(scores.dtype)) else "float32"
    numbers = dict(
        images=images,
        count=count,
        limit=limit,
        groups_shared=groups is None or groups.ndim == 1,
        has_valid=valid is not None,
        moved_limit=_ONE_GROUP if groups is None else moved_limit(),
        threshold=float(threshold),
    )
    groups = jt.zeros((count,), dtype="int32") if groups is None else groups
    groups = groups if groups.ndim == 2 else groups.unsqueeze(0)
    words = -(-count // 32) if kernel.runs_cuda_files() else 0
    order, mask = ((images, count) if words else (1, 1)), (images * count * words or 1,)
    scratch = [(order, "int32"), (mask, "int32"), ((images,), "int32"), ((images,), dtype)]
    outputs = [((images, limit), "int32"), ((images,), "int32"), *scratch]
    inputs = [boxes.cast(dtype), scores.cast(dtype), groups, groups if valid is None else valid]
    return kernel.run("nms", "forward", inputs, outputs, **numbers)[:2]
