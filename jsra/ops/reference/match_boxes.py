"""Matching of boxes and ground truths in NumPy, image by image, with the whole matrix of overlaps in float32."""

import numpy as np


def overlaps(boxes, others, crowd=False):
    """[n, m] float32: intersection over union, or over the area of `boxes`; every operation rounded to float32."""
    b, o = boxes.astype(np.float32)[:, None], others.astype(np.float32)[None]
    width = np.maximum(np.minimum(b[..., 2], o[..., 2]) - np.maximum(b[..., 0], o[..., 0]), 0)
    height = np.maximum(np.minimum(b[..., 3], o[..., 3]) - np.maximum(b[..., 1], o[..., 1]), 0)
    inter = width * height
    area, other = ((x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (b, o))
    return inter / np.maximum(area if crowd else area + other - inter, np.float32(1e-6))


def match_boxes(
    boxes, gt_boxes, gt_count, pos_iou_thr, neg_iou_thr, min_pos_iou=0.0, match_low_quality=True, gt_max_assign_all=True,
    ignore_iof_thr=-1.0, ignored=None, ignored_count=None, valid=None,
):  # fmt: skip
    """As jsra.ops.match_boxes."""
    images, count = len(gt_boxes), boxes.shape[-2]
    matched, iou = np.full((images, count), -1, np.int32), np.zeros((images, count), np.float32)
    for b in range(images):
        own = (boxes if boxes.ndim == 2 else boxes[b]).astype(np.float32)
        real = np.isfinite(own).all(axis=1)
        if valid is not None:
            real &= valid[b] != 0
        if ignored is not None and ignore_iof_thr >= 0:
            regions = ignored[b, : ignored_count[b]]
            real &= ~(overlaps(own, regions, crowd=True) > np.float32(ignore_iof_thr)).any(axis=1)
        rows = np.flatnonzero(real)
        if not len(rows):
            continue
        if not gt_count[b]:
            matched[b, rows] = 0
            continue
        table = overlaps(own[rows], gt_boxes[b, : gt_count[b]])
        best = table.max(axis=1)
        found = np.full(len(rows), -1, np.int32)
        found[(best >= np.float32(neg_iou_thr[0])) & (best < np.float32(neg_iou_thr[1]))] = 0
        positive = best >= np.float32(pos_iou_thr)
        found[positive] = table.argmax(axis=1)[positive] + 1
        for g in range(gt_count[b] if match_low_quality else 0):
            largest = table[:, g].max()
            if largest >= np.float32(min_pos_iou):
                found[np.flatnonzero(table[:, g] == largest)[: None if gt_max_assign_all else 1]] = g + 1
        matched[b, rows], iou[b, rows] = found, best
    return matched, iou
