"""From class scores and boxes to detections."""

from __future__ import annotations

from jsra.ops.multiclass_nms import multiclass_nms
from jsra.registry import register


@register("detection_selector")
class DetectionSelector:
    """Keeps scores above score_thr, applies NMS within each class (IoU threshold nms_thr), and keeps the max_per_img best.
    Defaults: mmdet's for COCO."""

    def __init__(self, score_thr: float = 0.05, nms_thr: float = 0.5, max_per_img: int = 100):
        self.score_thr = score_thr
        self.nms_thr = nms_thr
        self.max_per_img = max_per_img

    def select(self, boxes, scores, valid):
        """boxes [B, P, 4], or [B, P, C, 4] with one per class; scores [B, P, C] without background; valid int32 [B, P].

        Returns, best first and padded at the end: boxes [B, M, 4], scores [B, M], labels int32 [B, M] (1 to C; 0: padding),
        rows int32 [B, M] (indices into P), count int32 [B].
        """
        count = valid.sum(dim=1).int32()
        return multiclass_nms(boxes, scores, count, self.score_thr, self.nms_thr, self.max_per_img)
