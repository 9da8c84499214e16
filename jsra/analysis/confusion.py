"""The confusion matrix of a detector."""

from __future__ import annotations

import numpy as np

from jsra.analysis.matching import HIT, IGNORED


def confusion(images, num_classes: int, threshold: float) -> np.ndarray:
    """int [C + 1, C + 1]: rows are true classes, columns are detected classes; the last row is background, the last column
    is for objects that were not detected.

    Detections with a score of at least `threshold` are used, without those that evaluation ignores. Detections and objects
    are paired one to one, whatever their classes; the pair with the largest IoU comes first, of equal ones a pair of one
    class: two objects may have the same box.
    """
    matrix = np.zeros((num_classes + 1, num_classes + 1), int)
    for image in images:
        kept = np.flatnonzero((image.scores >= threshold) & (image.kinds != IGNORED))
        ious = image.ious[kept]
        pairs = np.argwhere(ious >= HIT)
        other = image.found_labels[kept[pairs[:, 0]]] != image.labels[pairs[:, 1]]
        order = np.lexsort((other, -ious[tuple(pairs.T)]))
        found, objects = set(), set()
        for d, n in pairs[order]:
            if d not in found and n not in objects:
                found.add(d)
                objects.add(n)
                matrix[image.labels[n] - 1, image.found_labels[kept[d]] - 1] += 1
        for d, row in enumerate(kept):
            if d not in found:
                matrix[-1, image.found_labels[row] - 1] += 1
        for n, label in enumerate(image.labels):
            if n not in objects:
                matrix[label - 1, -1] += 1
    return matrix
