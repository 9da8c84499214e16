"""From class scores and boxes to detections in NumPy, class by class."""

import numpy as np

from jsra.ops.reference.nms import nms


def multiclass_nms(boxes, scores, count, score_thr, iou_thr, max_per_img):
    """As jsra.ops.multiclass_nms, except the rounding of boxes that are moved apart."""
    images, _, classes = scores.shape
    out = [
        np.zeros((images, max_per_img, 4), np.float32), np.zeros((images, max_per_img), np.float32),
        np.zeros((images, max_per_img), np.int32), np.full((images, max_per_img), -1, np.int32),
        np.zeros(images, np.int32),
    ]  # fmt: skip
    for b in range(images):
        found = []
        for c in range(classes):
            own = boxes[b, :, c] if boxes.ndim == 4 else boxes[b]
            rows = np.arange(count[b])
            rows = rows[(scores[b, rows, c] > np.float32(score_thr)) & np.isfinite(own[rows]).all(axis=1)]
            rows = rows[nms(own[rows], scores[b, rows, c], iou_thr)]
            found += [(-scores[b, r, c], r, c, own[r]) for r in rows]
        found = sorted(found, key=lambda f: f[:3])[:max_per_img]
        for i, (score, row, c, box) in enumerate(found):
            out[0][b, i], out[1][b, i], out[2][b, i], out[3][b, i] = box, -score, c + 1, row
        out[4][b] = len(found)
    return out
