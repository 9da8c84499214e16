"""Pascal VOC's average precision, as its devkit computes it, at one IoU."""

from __future__ import annotations

import math

import numpy as np

MODES = ("11point", "area")


def average_precision(recall, precision, mode="area"):
    """AP of a precision-recall curve. '11point': mean of the best precision at recall >= 0, 0.1, ..., 1 (VOC 2007). 'area':
    the area under the curve after making precision monotone (VOC 2010 and later)."""
    recall, precision = np.asarray(recall, float), np.asarray(precision, float)
    if mode == "11point":
        # The devkit compares with 0:0.1:1; with the tolerance, recall 3/10 reaches threshold 0.3 in binary arithmetic.
        levels = [precision[recall >= t - 1e-12] for t in np.linspace(0, 1, 11)]
        return float(np.mean([p.max() if p.size else 0.0 for p in levels]))
    if mode != "area":
        raise ValueError(f"unknown mode {mode!r}; known: {', '.join(MODES)}")
    recall = np.concatenate([[0], recall, [1]])
    envelope = np.maximum.accumulate(np.concatenate([[0], precision, [0]])[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


def voc_ap(truth, detections, num_classes, iou_threshold=0.5):
    """AP per class, by each of MODES.

    truth: {image id: (boxes [n, 4] xyxy, labels [n] 1-based, difficult [n] bool)}; detections: {image id: (boxes
    [m, 4], scores [m], labels [m])}. A detection belongs to the object of its class with the largest IoU; it is correct
    if that IoU is at least the threshold and no detection with a higher score took the object. A detection of a difficult
    object is ignored. Box sizes are x1 - x0 and y1 - y0 (no + 1).
    Returns a list of {each of MODES: AP, recall, objects, detections}, one per class; nan for a class without objects.
    """
    out = []
    for label in range(1, num_classes + 1):
        objects, positives = {}, 0
        for image, (boxes, labels, difficult) in truth.items():
            mine = np.asarray(labels) == label
            boxes, hard = np.asarray(boxes, float).reshape(-1, 4)[mine], np.asarray(difficult, bool)[mine]
            objects[image] = (boxes, hard, np.zeros(len(boxes), bool))
            positives += int((~hard).sum())
        rows = []
        for image, (boxes, scores, labels) in detections.items():
            mine = np.asarray(labels) == label
            rows += [(float(s), image, b) for s, b in zip(np.asarray(scores)[mine], np.asarray(boxes, float)[mine])]
        rows.sort(key=lambda row: -row[0])  # stable: ties stay in the order of images and detections
        right, wrong = np.zeros(len(rows)), np.zeros(len(rows))
        for i, (_, image, box) in enumerate(rows):
            boxes, hard, taken = objects.get(image, (np.zeros((0, 4)), (), ()))
            overlaps = box_overlaps(box, boxes)
            best = int(overlaps.argmax()) if len(overlaps) else -1
            if best < 0 or overlaps[best] < iou_threshold:
                wrong[i] = 1
            elif not hard[best]:
                right[i], wrong[i] = (0, 1) if taken[best] else (1, 0)
                taken[best] = True
        hits, misses = right.cumsum(), wrong.cumsum()
        recall = hits / max(positives, 1)
        precision = hits / np.maximum(hits + misses, 1e-12)
        out.append({
            **{mode: average_precision(recall, precision, mode) if positives else float("nan") for mode in MODES},
            "recall": float("nan") if not positives else float(recall[-1]) if len(rows) else 0.0,
            "objects": positives, "detections": len(rows),
        })  # fmt: skip
    return out


def mean_ap(aps) -> float:
    """The mean over the classes that have objects; nan if none has."""
    aps = [ap for ap in aps if not math.isnan(ap)]
    return float(np.mean(aps)) if aps else float("nan")


def box_overlaps(box, boxes):
    """IoU [n] of one box with boxes [n, 4]."""
    size = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    both = size.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - both
    return both / np.maximum(union, 1e-12)
