"""Assigns each box of a batch to a ground truth by IoU.

Shape letters: B images; N boxes per image; G, I: largest numbers of ground truths and of ignored regions in an image.
"""

from __future__ import annotations

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files

IGNORED, BACKGROUND = -1, 0  # MATCH_IGNORED, MATCH_BACKGROUND in cuda_src/match_boxes/math.h


def match_boxes(
    boxes, gt_boxes, gt_count, pos_iou_thr, neg_iou_thr, min_pos_iou=0.0, match_low_quality=True, gt_max_assign_all=True,
    ignore_iof_thr=-1.0, ignored=None, ignored_count=None, valid=None,
):  # fmt: skip
    """mmdet's MaxIoUAssigner for all images at once. A box whose largest IoU with a ground truth is
    - at least pos_iou_thr: positive, it belongs to that ground truth (the first of equal ones);
    - within the pair neg_iou_thr (low, high; high excluded): background;
    - otherwise: ignored.
    match_low_quality: every ground truth also gets the boxes that have its own largest IoU, if that is at least min_pos_iou
    (all of these boxes, or only the first with gt_max_assign_all=False). A box that two ground truths claim goes to the
    later.

    Args:
        boxes: [N, 4], the same boxes for every image, or [B, N, 4]; all boxes are float32 xyxy in pixels.
        gt_boxes: [B, G, 4]; the first gt_count (int32 [B]) of each image are valid.
        ignore_iof_thr: if 0 or more, a box with more than this fraction inside one ignored region is ignored.
        ignored, ignored_count: the ignored regions, in the form of the ground truths; None for none.
        valid: int32 [B, N], 0 for rows that are not boxes; None: all are boxes.
    Returns: (matched int32 [B, N], iou float32 [B, N]). matched: -1 for ignored, invalid and non-finite boxes;
        0 background; g + 1 for ground truth g. iou: the largest IoU of the box; 0 if it was not compared.
    Raises: ValueError for wrong ranks, shapes or dtypes.
    """
    shared = check.var("boxes", boxes, dtypes=("float32",), last=4).ndim == 2
    check.var("gt_boxes", gt_boxes, rank=3, last=4, dtypes=("float32",))
    images, count = gt_boxes.shape[0], boxes.shape[-2]
    if not shared and (boxes.ndim != 3 or boxes.shape[0] != images):
        raise ValueError(
            f"boxes: expected [N, 4] or [{images}, N, 4], for each image of gt_boxes, got {list(boxes.shape)}"
        )
    if (ignored is None) != (ignored_count is None):
        raise ValueError("ignored and ignored_count: expected both or none")
    if ignored is None:
        ignored, ignored_count, ignore_iof_thr = gt_boxes, gt_count, -1.0
    check.var("ignored", ignored, rank=3, last=4, dtypes=("float32",))
    for name, value, shape in (
        ("gt_count", gt_count, [images]), ("ignored_count", ignored_count, [images]), ("valid", valid, [images, count]),
    ):  # fmt: skip
        if value is not None and list(check.var(name, value, dtypes=("int32",)).shape) != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {list(value.shape)}")
    low, high = neg_iou_thr
    shape = (images, count)
    scratch = ((images, gt_boxes.shape[1]) if runs_cuda_files() else (1, 1), "int32")
    return tuple(
        run(
            "match_boxes",
            "forward",
            [
                boxes if boxes.ndim == 3 else boxes.unsqueeze(0), gt_boxes, gt_count, ignored, ignored_count,
                gt_count.unsqueeze(0) if valid is None else valid,
            ],
            [(shape, "int32"), (shape, "float32"), scratch, scratch],
            images=images, count=count, truths=gt_boxes.shape[1], regions=ignored.shape[1], boxes_shared=shared,
            has_valid=valid is not None, pos=float(pos_iou_thr), neg_low=float(low), neg_high=float(high),
            min_pos=float(min_pos_iou), crowd=float(ignore_iof_thr), low_quality=bool(match_low_quality),
            assign_all=bool(gt_max_assign_all),
        )[:2]
    )  # fmt: skip
