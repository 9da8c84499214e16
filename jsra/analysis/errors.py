"""The cost of each kind of error: how much the AP at IoU 0.5 increases if only errors of this kind are corrected."""

from __future__ import annotations

import numpy as np

from jsra.analysis.matching import IGNORED, KINDS, RIGHT

POINTS = np.linspace(0, 1, 101)  # recall values, as in COCO's evaluation


def curve(scores, right, total):
    """(recall, precision) [d] of detections, best first; precision is the best at this recall or a higher one."""
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    hits = np.cumsum(np.asarray(right, float)[order])
    recall = hits / max(total, 1)
    precision = hits / np.arange(1, len(hits) + 1)
    return recall, np.maximum.accumulate(precision[::-1])[::-1]


def at_points(scores, right, total):
    """The precision at POINTS of recall."""
    recall, precision = curve(scores, right, total)
    index = np.searchsorted(recall, POINTS, side="left")
    return np.where(index < len(precision), np.append(precision, 0.0)[np.minimum(index, len(precision))], 0.0)


def precisions(images, num_classes: int, mended=None) -> dict:
    """{label: precision [101] at POINTS} for every class with objects. mended: the kind of error to correct, or None."""
    rows = {label: ([], []) for label in range(1, num_classes + 1)}
    totals = dict.fromkeys(rows, 0)
    for image in images:
        counted = image.labels if mended != "missed" else image.labels[~image.missed]
        for label in counted:
            totals[int(label)] += 1
        for label, score, right in _rows(image, mended):
            rows[label][0].append(score)
            rows[label][1].append(right)
    # If all objects of a class are missed and this is corrected, no object is left, but the class still counts in the AP.
    having = {int(label) for image in images for label in image.labels}
    return {label: at_points(*rows[label], totals[label]) for label in sorted(having)}


def _rows(image, mended):
    """(label, score, whether it is right) of the detections that are not ignored."""
    taken = set(np.flatnonzero(image.hit))
    for kind, label, score, target in zip(image.kinds, image.found_labels, image.scores, image.objects):
        if kind == IGNORED:
            continue
        if kind != mended:
            yield int(label), score, kind == RIGHT
        elif kind in ("class", "place") and target not in taken:
            taken.add(target)
            yield int(image.labels[target]), score, True


def average_precision(images, num_classes: int, mended=None) -> float:
    """AP at IoU 0.5, the mean over the classes with objects; nan if there are none."""
    found = precisions(images, num_classes, mended)
    return float(np.mean([p.mean() for p in found.values()])) if found else float("nan")


def costs(images, num_classes: int) -> dict:
    """{kind: (number of errors, increase of AP50 without them)}."""
    base = average_precision(images, num_classes)
    counts = {kind: sum(int((image.kinds == kind).sum()) for image in images) for kind in KINDS}
    counts["missed"] = sum(int(image.missed.sum()) for image in images)
    return {kind: (counts[kind], average_precision(images, num_classes, kind) - base) for kind in KINDS}
