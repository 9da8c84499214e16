"""From the outputs of a dense head to proposals."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.boxes.structures import Proposals, first, take
from jsra.ops.dense_gather import dense_gather
from jsra.ops.dense_top_k import dense_top_k
from jsra.ops.is_finite import is_finite
from jsra.ops.nms import nms_batch
from jsra.registry import register


@register("proposal_selector")
class ProposalSelector:
    """Selects the nms_pre best anchors of each level, decodes and clips their boxes, drops boxes with a side of min_size
    pixels or less, applies NMS within each level (IoU threshold nms_thr), and keeps the max_per_img best of all levels.
    Defaults: mmdet's for testing (training: nms_pre 2000)."""

    def __init__(self, nms_pre: int = 1000, max_per_img: int = 1000, nms_thr: float = 0.7, min_size: float = 0.0):
        self.nms_pre = nms_pre
        self.max_per_img = max_per_img
        self.nms_thr = nms_thr
        self.min_size = min_size

    def select(self, logits, deltas, anchors, coder, sizes) -> Proposals:
        """Lists over levels: logits [B, A, H, W], deltas [B, 4A, H, W]; anchors [N, 4] of all levels; boxes are clipped to
        sizes [B, 2] (width, height). Scores are sigmoids."""
        with jt.no_grad():
            index, values = dense_top_k(logits, self.nms_pre)
            chosen = dense_gather(deltas, index, 4)
            boxes = coder.decode(take(anchors.unsqueeze(0), index), chosen, sizes)
            # A diverged model gives deltas that are not finite: they give no proposals, and the loss reports the divergence.
            width, height = boxes[:, :, 2] - boxes[:, :, 0], boxes[:, :, 3] - boxes[:, :, 1]
            large = jt.logical_and(width > self.min_size, height > self.min_size)
            large = jt.logical_and(large, is_finite(chosen.sum(dim=2))).int32()
            scores, levels = values.sigmoid(), self._levels(logits)
            most = min(self.max_per_img, index.shape[1])
            keep, count = nms_batch(boxes, scores, levels, large, self.nms_thr, most)
            return Proposals(take(boxes, keep), take(scores, keep), first(count, most))

    def _levels(self, logits):
        """int32 [M]: the level of each candidate."""
        numbers = [min(self.nms_pre, int(np.prod(x.shape[1:]))) for x in logits]
        return jt.array(np.repeat(np.arange(len(numbers), dtype=np.int32), numbers))
