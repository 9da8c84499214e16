"""From the maps of a dense head to detections.

Shape letters: B images; A anchors per position; C classes; N anchors of all levels; M detections per image.
"""

from __future__ import annotations

import jittor as jt

from jsra.boxes.structures import Results, rois_of, take
from jsra.ops.dense_gather import dense_gather
from jsra.ops.dense_top_k import dense_top_k
from jsra.ops.is_finite import is_finite
from jsra.ops.nms import nms_batch
from jsra.registry import register


@register("dense_selector")
class DenseSelector:
    """Selects, on each level, the nms_pre best (anchor, class) pairs with a score above score_thr, decodes and clips their
    boxes, drops boxes with a side of min_size pixels or less, applies NMS within each class (IoU threshold nms_thr), and
    keeps the max_per_img best of all levels. Defaults: mmdet's for COCO."""

    def __init__(
        self,
        nms_pre: int = 1000,
        score_thr: float = 0.05,
        nms_thr: float = 0.5,
        max_per_img: int = 100,
        min_size: float = 0.0,
    ):
        self.nms_pre = nms_pre
        self.score_thr = score_thr
        self.nms_thr = nms_thr
        self.max_per_img = max_per_img
        self.min_size = min_size

    def select(self, logits, deltas, anchors, coder, classes: int, targets) -> Results:
        """Lists over levels: logits [B, A * C, H, W], deltas [B, A * 4, H, W]; anchors [N, 4], or [B, N, 4] (separate ones
        for each image); classes: C. Scores are sigmoids; NMS runs in pixels of the original image. Results.rows: anchors."""
        with jt.no_grad():
            pairs, values = dense_top_k(logits, self.nms_pre)  # counted by anchor, then class
            index, labels = pairs // classes, pairs % classes + 1
            chosen = dense_gather(deltas, index, 4)
            references = take(anchors if anchors.ndim == 3 else anchors.unsqueeze(0), index)
            scales = targets.scales.unsqueeze(1)
            boxes = coder.decode(references, chosen, targets.sizes) * scales
            scores = values.sigmoid()
            width, height = boxes[:, :, 2] - boxes[:, :, 0], boxes[:, :, 3] - boxes[:, :, 1]
            valid = jt.logical_and(width > self.min_size, height > self.min_size)
            # A diverged model gives deltas that are not finite: they give no detections.
            valid = jt.logical_and(valid, jt.logical_and(scores > self.score_thr, is_finite(chosen.sum(dim=2))))
            keep, count = nms_batch(boxes, scores, labels, valid.int32(), self.nms_thr, self.max_per_img)
            boxes, scores, labels = take(boxes, keep), take(scores, keep), take(labels, keep)
            rows = take(index + 1, keep) - 1
            fields = {"boxes": boxes, "scores": scores, "labels": labels}
            return Results(count, rows, rois_of(boxes / scales, labels), fields)
