"""From the RPN's raw outputs to proposals. NumPy: nothing here carries a gradient."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.boxes.convert import as_boxes
from jsra.ops import batched_nms
from jsra.registry import register


def top_indices(scores: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest of scores [n], descending; equal scores by index. All of them if n <= k."""
    if len(scores) <= k:
        return np.argsort(-scores, kind="stable")
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    above = np.flatnonzero(scores > threshold)
    # Those equal to the k-th largest: the first ones fill what is left.
    indices = np.concatenate([above, np.flatnonzero(scores == threshold)[: k - len(above)]])
    indices.sort()
    return indices[np.argsort(-scores[indices], kind="stable")]


def group_nms(boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the boxes [n, 4] that survive NMS within each group (int [n]), by descending score."""
    if len(boxes) == 0:
        return np.zeros(0, np.int64)
    keep = batched_nms(jt.array(boxes), jt.array(scores), jt.array(groups.astype(np.int32)), threshold)
    return keep.numpy().astype(np.int64)


@register("box")
class ProposalSelector:
    """The nms_pre best of each level, decoded and clipped; boxes with a side of min_size or less dropped; NMS within each
    level; the max_per_img best of all levels. Defaults: mmdet's for testing (training: nms_pre 2000)."""

    def __init__(self, nms_pre=1000, max_per_img=1000, nms_thr=0.7, min_size=0.0):
        self.nms_pre = nms_pre
        self.max_per_img = max_per_img
        self.nms_thr = nms_thr
        self.min_size = min_size

    def select(self, logits, deltas, anchors, coder, image_size):
        """One image. Lists over levels: logits [A, H, W], deltas [4A, H, W], anchors [H * W * A, 4]; image_size (w, h).

        Returns boxes [n, 4] and scores [n] (after the sigmoid), descending.
        """
        boxes, scores, levels = [], [], []
        for level, (logit, delta, anchor) in enumerate(zip(logits, deltas, anchors)):
            a = logit.shape[0]
            flat = logit.reshape(a, -1)
            best = top_indices(np.ascontiguousarray(flat.T).reshape(-1), self.nms_pre)
            position, which = best // a, best % a
            chosen = delta.reshape(a, 4, -1)[which, :, position]
            boxes.append(coder.decode(anchor[best], chosen, (image_size[1], image_size[0])))
            scores.append(np.exp(-np.logaddexp(0, -flat[which, position])))  # the sigmoid, without overflow
            levels.append(np.full(len(best), level, np.int32))
        boxes, scores, levels = as_boxes(np.concatenate(boxes)), np.concatenate(scores), np.concatenate(levels)
        # A diverged model gives NaN boxes: no proposals then, and the loss says what happened.
        large = (boxes[:, 2] - boxes[:, 0] > self.min_size) & (boxes[:, 3] - boxes[:, 1] > self.min_size)
        boxes, scores, levels = boxes[large], scores[large], levels[large]
        keep = group_nms(boxes, scores, levels, self.nms_thr)[: self.max_per_img]
        return boxes[keep], scores[keep]
