"""Draws a fixed number of positives and negatives from matched boxes."""

from __future__ import annotations

import jittor as jt

from jsra.boxes.structures import Samples, first, take
from jsra.ops.sample_matches import sample_matches
from jsra.registry import register
from jsra.runtime.seed import rng


@register("sampler")
class RandomSampler:
    """num boxes per image: a fraction pos_fraction of them positive (fewer if there are not enough), the others negative.
    neg_pos_ub >= 0: at most this many negatives per positive. add_gt_as_proposals: the ground truths are put before the
    boxes, each matched to itself."""

    version = 2  # each candidate is drawn by a key, a hash of a seed

    def __init__(self, num: int, pos_fraction: float, neg_pos_ub: float = -1, add_gt_as_proposals: bool = False):
        self.num = num
        self.pos_fraction = pos_fraction
        self.neg_pos_ub = neg_pos_ub
        self.add_gt_as_proposals = add_gt_as_proposals

    def sample(self, boxes, matches, truth) -> Samples:
        """boxes [B, N, 4], or [N, 4] for all images; matches: Matches; truth: GroundTruth."""
        matched, iou = matches
        boxes = boxes if boxes.ndim == 3 else boxes.unsqueeze(0)
        added = truth.boxes.shape[1] if self.add_gt_as_proposals else 0
        if added:
            real = first(truth.count, added)
            itself = real * (jt.arange(added).unsqueeze(0) + 2) - 1  # -1 for padding
            boxes = jt.concat([truth.boxes, boxes.broadcast([truth.boxes.shape[0], *boxes.shape[1:]])], dim=1)
            matched, iou = jt.concat([itself, matched], dim=1), jt.concat([real.float32(), iou], dim=1)
        seed = int(rng().integers(2**31))
        index, num_pos, count = sample_matches(matched, seed, self.num, self.pos_fraction, self.neg_pos_ub)
        gt_index = take(matched, index) - 1
        return Samples(
            boxes=take(boxes, index),
            index=index,
            is_gt=jt.logical_and(index >= 0, index < added).int32(),
            gt_index=gt_index,
            gt_boxes=take(truth.boxes, gt_index),
            labels=take(truth.labels, gt_index),
            weights=(index >= 0).float32(),
            iou=take(iou, index),
            num_pos=num_pos,
            count=count,
            max_pos=int(self.num * self.pos_fraction),
        )
