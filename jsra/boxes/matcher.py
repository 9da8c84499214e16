"""Which ground truth a box belongs to, by overlap."""

from __future__ import annotations

import numpy as np

from jsra.boxes.convert import as_boxes
from jsra.boxes.iou import Overlaps
from jsra.registry import register

IGNORED, BACKGROUND = -1, 0


@register("box")
class MaxIoUAssigner:
    """mmdet's rule. A box whose largest IoU with a ground truth is
    - at least pos_iou_thr: positive, it belongs to that ground truth;
    - below neg_iou_thr (or within the pair neg_iou_thr): background;
    - between the two: ignored.
    match_low_quality: besides, every ground truth takes the boxes of its own largest IoU, if that is at least min_pos_iou
    (all of them, or the first with gt_max_assign_all=False). Of two ground truths that claim a box the later one gets it.
    ignore_iof_thr >= 0: boxes of which a crowd region covers more than this share are ignored.
    """

    def __init__(
        self,
        pos_iou_thr,
        neg_iou_thr,
        min_pos_iou=0.0,
        match_low_quality=True,
        gt_max_assign_all=True,
        ignore_iof_thr=-1,
    ):
        self.pos_iou_thr = pos_iou_thr
        self.neg_iou_thr = (0.0, neg_iou_thr) if np.isscalar(neg_iou_thr) else tuple(neg_iou_thr)
        self.min_pos_iou = min_pos_iou
        self.match_low_quality = match_low_quality
        self.gt_max_assign_all = gt_max_assign_all
        self.ignore_iof_thr = ignore_iof_thr

    def assign(self, boxes, gt_boxes, ignored_boxes=None) -> np.ndarray:
        """boxes [n, 4], gt_boxes [g, 4], ignored_boxes [c, 4] -> int32 [n]: -1 ignored, 0 background, i + 1 ground truth i"""
        boxes, gt_boxes, ignored_boxes = as_boxes(boxes), as_boxes(gt_boxes), as_boxes(ignored_boxes)
        n = len(boxes)
        if n == 0 or len(gt_boxes) == 0:
            # As in mmdet, an image without objects is all background; its crowd regions still are not.
            matched = np.zeros(n, np.int32)
            matched[self._in_crowd(boxes, ignored_boxes)] = IGNORED
            return matched
        crowd = self._in_crowd(boxes, ignored_boxes)
        best = np.full(n, -1.0, np.float32)
        owner = np.zeros(n, np.int32)
        claims = []
        overlaps = Overlaps(boxes)
        for g, gt in enumerate(gt_boxes):
            iou = overlaps.row(gt)
            iou[crowd] = -1
            better = iou > best
            owner[better] = g
            np.maximum(best, iou, out=best)
            if self.match_low_quality:
                claims.append(self._claim(iou))
        matched = np.full(n, IGNORED, np.int32)
        matched[(best >= self.neg_iou_thr[0]) & (best < self.neg_iou_thr[1])] = BACKGROUND
        positive = best >= self.pos_iou_thr
        matched[positive] = owner[positive] + 1
        for g, indices in enumerate(claims):
            matched[indices] = g + 1
        return matched

    def _claim(self, iou) -> np.ndarray:
        """Indices of the boxes that a ground truth takes for itself, given its overlaps [n]."""
        largest = iou.max()
        if largest < self.min_pos_iou:
            return np.zeros(0, np.int64)
        return np.flatnonzero(iou == largest) if self.gt_max_assign_all else np.array([iou.argmax()])

    def _in_crowd(self, boxes, ignored_boxes) -> np.ndarray:
        """bool [n]: more than ignore_iof_thr of the box lies in one ignored region."""
        inside = np.zeros(len(boxes), bool)
        if self.ignore_iof_thr < 0 or len(boxes) == 0:
            return inside
        overlaps = Overlaps(boxes, "iof")
        for region in ignored_boxes:
            inside |= overlaps.row(region) > self.ignore_iof_thr
        return inside
