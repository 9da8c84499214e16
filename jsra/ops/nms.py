"""Non-maximum suppression: of boxes that overlap, the one with the highest score stays."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check, kernel

_ONE_GROUP, _MOVED_GROUPS, _COMPARED_GROUPS = 0, 1, 2  # jsra::NmsGroups
# torchvision moves the groups apart up to this many coordinates, and treats group by group above.
_MOVED_CPU, _MOVED_CUDA = 4000, 100_000


def nms(boxes, scores, iou_threshold) -> jt.Var:
    """Indices of the boxes that stay when each one, from the highest score down, removes those that overlap it more.

    Args:
        boxes: [n, 4], (x0, y0, x1, y1).
        scores: [n].
        iou_threshold: a box goes if its intersection over union with one that stays is greater; 0 to 1.
    Returns: int32 [k], by falling score, equal scores by rising index. Never removed, and removing nothing: a box that is
        empty, inverted or not finite. A score that is not a number counts as the highest.
    Raises: ValueError for a wrong rank, shape or dtype, or a threshold outside 0 to 1.
    Source: torchvision.ops.nms; the indices are identical (PyTorch's stable sort included).
    """
    return _run(boxes, scores, None, iou_threshold)


def batched_nms(boxes, scores, idxs, iou_threshold) -> jt.Var:
    """`nms` among the boxes of equal `idxs` (int32 [n]: class or level) only.

    Source: torchvision.ops.batched_nms; the same boxes are kept. Up to the number of boxes (1000 on the CPU) for which it
    moves each group to a place of its own, they are moved here too, with the rounding that this brings; above it, its
    order of equal scores is that of an unstable sort, where this one is by index.
    """
    check.var("idxs", idxs, rank=1, dtypes=("int32", "int64"))
    return _run(boxes, scores, idxs, iou_threshold)


def _run(boxes, scores, groups, threshold):
    check.var("boxes", boxes, rank=2, last=4)
    count = boxes.shape[0]
    for name, value in (("scores", scores), ("idxs", groups)):
        if value is not None and list(value.shape) != [count]:
            raise ValueError(f"{name}: expected shape [{count}], one for each box, got {list(value.shape)}")
    check.var("scores", scores, rank=1)
    if not 0 <= threshold <= 1:
        raise ValueError(f"iou_threshold: expected 0 to 1, got {threshold!r}")
    if count == 0:
        return jt.zeros((0,), dtype="int32")
    mode = _ONE_GROUP
    if groups is not None:
        few = 4 * count <= (_MOVED_CUDA if jt.flags.use_cuda else _MOVED_CPU)
        mode = _MOVED_GROUPS if few else _COMPARED_GROUPS
    groups = jt.zeros((count,), dtype="int32") if groups is None else groups.int32()
    dtype = "float64" if "float64" in (str(boxes.dtype), str(scores.dtype)) else "float32"
    words = -(-count // 32) if kernel.runs_cuda_files() else 0
    scratch = [((count if words else 1,), "int32"), ((max(count * words, 1),), "int32"), ((1,), dtype)]
    keep, kept = kernel.run(
        "nms",
        "forward",
        [boxes.cast(dtype), scores.cast(dtype), groups],
        [((count,), "int32"), ((1,), "int32"), *scratch],
        count=count,
        mode=mode,
        threshold=float(threshold),
    )[:2]
    return keep[: int(kept.numpy()[0])]
