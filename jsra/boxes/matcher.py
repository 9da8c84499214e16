"""Assigns each box to a ground truth by IoU."""

from __future__ import annotations

import numpy as np

from jsra.boxes.structures import Matches
from jsra.ops.match_boxes import match_boxes
from jsra.registry import register


@register("assigner")
class MaxIoUAssigner:
    """mmdet's rule. A box whose largest IoU with a ground truth is
    - at least pos_iou_thr: positive, it belongs to that ground truth;
    - below neg_iou_thr (or within the pair neg_iou_thr): background;
    - between the two: ignored.
    match_low_quality: every ground truth also gets the boxes that have its own largest IoU, if that is at least min_pos_iou
    (all of these boxes, or only the first with gt_max_assign_all=False). If two ground truths claim a box, the later one gets
    it. ignore_iof_thr >= 0: boxes of which a crowd region covers more than this fraction are ignored.
    """

    def __init__(
        self,
        pos_iou_thr: float,
        neg_iou_thr: float | tuple[float, float],
        min_pos_iou: float = 0.0,
        match_low_quality: bool = True,
        gt_max_assign_all: bool = True,
        ignore_iof_thr: float = -1,
    ):
        self.pos_iou_thr = pos_iou_thr
        self.neg_iou_thr = (0.0, neg_iou_thr) if np.isscalar(neg_iou_thr) else tuple(neg_iou_thr)
        low, high = self.neg_iou_thr
        if not low <= high <= pos_iou_thr:
            raise ValueError(f"neg_iou_thr {neg_iou_thr} must be in rising order and not above pos_iou_thr {pos_iou_thr}")
        if ignore_iof_thr > 1:
            raise ValueError(f"ignore_iof_thr must be a share of the box, at most 1, or below 0 for none: {ignore_iof_thr}")
        self.min_pos_iou = min_pos_iou
        self.match_low_quality = match_low_quality
        self.gt_max_assign_all = gt_max_assign_all
        self.ignore_iof_thr = ignore_iof_thr

    def assign(self, boxes, truth, valid=None) -> Matches:
        """boxes [B, N, 4], or [N, 4] for all images; truth: GroundTruth; valid int32 [B, N], 0 for rows to ignore."""
        return Matches(
            *match_boxes(
                boxes, truth.boxes, truth.count, self.pos_iou_thr, self.neg_iou_thr, self.min_pos_iou,
                self.match_low_quality, self.gt_max_assign_all, self.ignore_iof_thr, truth.ignored, truth.ignored_count,
                valid,
            )
        )  # fmt: skip
