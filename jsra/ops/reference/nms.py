"""Non-maximum suppression in NumPy, box by box: the slow oracle of the tests."""

import numpy as np


def nms(boxes, scores, iou_threshold):
    """As jsra.ops.nms; in float32, because rounding decides for pairs at the threshold."""
    boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    # nan first, as in PyTorch; equal scores by index.
    for i in sorted(range(len(boxes)), key=lambda i: (not np.isnan(scores[i]), -scores[i], i)):
        for j in kept:
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            finite = np.isfinite(area[i]) and np.isfinite(area[j])
            if finite and width > 0 and height > 0:
                inter = width * height
                if float(inter / (area[i] + area[j] - inter)) > iou_threshold:
                    break
        else:
            kept.append(i)
    return np.array(kept, np.int32)


def batched_nms(boxes, scores, idxs, iou_threshold):
    """As jsra.ops.batched_nms, group by group (results may differ if moving the groups causes rounding)."""
    kept = [np.flatnonzero(idxs == g)[nms(boxes[idxs == g], scores[idxs == g], iou_threshold)] for g in np.unique(idxs)]
    kept = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    return kept[np.lexsort((kept, -scores.astype(np.float32)[kept]))].astype(np.int32)


def nms_batch(boxes, scores, groups, valid, iou_threshold, max_keep):
    """As jsra.ops.nms_batch, image by image."""
    keep, count = np.full((len(boxes), max_keep), -1, np.int32), np.zeros(len(boxes), np.int32)
    for b, (own, score) in enumerate(zip(boxes, scores)):
        rows = np.arange(len(own)) if valid is None else np.flatnonzero(valid[b])
        group = np.zeros(len(own), int) if groups is None else groups if groups.ndim == 1 else groups[b]
        kept = rows[batched_nms(own[rows], score[rows], group[rows], iou_threshold)][:max_keep]
        keep[b, : len(kept)], count[b] = kept, len(kept)
    return keep, count
