"""From the box head's class scores and boxes to detections. NumPy."""

from __future__ import annotations

import numpy as np

from jsra.boxes.proposals import group_nms
from jsra.registry import register


@register("box")
class DetectionSelector:
    """Scores above score_thr, NMS within each class, the max_per_img best. Defaults: mmdet's for COCO."""

    def __init__(self, score_thr=0.05, nms_thr=0.5, max_per_img=100):
        self.score_thr = score_thr
        self.nms_thr = nms_thr
        self.max_per_img = max_per_img

    def select(self, scores, boxes_of):
        """scores [n, C + 1], background first; boxes_of(rows, classes) -> [m, 4] gives the boxes of the pairs that count
        (class 1 to C), so that only those are decoded.

        Returns boxes [m, 4], scores [m], labels int32 [m] (1 to C) and the row of each, by descending score.
        """
        rows, classes = np.nonzero(scores[:, 1:] > self.score_thr)
        classes = classes + 1
        values = scores[rows, classes]
        boxes = boxes_of(rows, classes)
        finite = np.isfinite(boxes).all(axis=1)
        rows, classes, values, boxes = rows[finite], classes[finite], values[finite], boxes[finite]
        keep = group_nms(boxes, values, classes, self.nms_thr)[: self.max_per_img]
        return boxes[keep], values[keep], classes[keep].astype(np.int32), rows[keep]
