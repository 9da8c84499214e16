"""A fixed number of positives and negatives, drawn from matched boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jsra.boxes.convert import as_boxes
from jsra.registry import register
from jsra.runtime.seed import rng


class Samples(NamedTuple):
    """What a head trains on in one image: n boxes, positives first.

    boxes [n, 4]; gt_index int [num_pos]: the ground truth of each positive; index int [n]: where the boxes stood in the
    matched array; num_neg: the rest, n - num_pos.
    """

    boxes: np.ndarray
    gt_index: np.ndarray
    index: np.ndarray

    @property
    def num_pos(self) -> int:
        return len(self.gt_index)

    @property
    def num_neg(self) -> int:
        return len(self.boxes) - len(self.gt_index)

    @property
    def avg_factor(self) -> int:
        """The number of samples, where a kind of which there is none counts as one: mmdet's denominator of the losses."""
        return max(self.num_pos, 1) + max(self.num_neg, 1)


def _draw(indices: np.ndarray, num: int) -> np.ndarray:
    """At most `num` of the indices, sorted."""
    if len(indices) <= num:
        return indices
    return np.sort(rng().choice(indices, num, replace=False))


@register("box")
class RandomSampler:
    """num boxes, pos_fraction of them positive where there are enough; negatives fill the rest, at most neg_pos_ub per
    positive if that is >= 0. add_gt_as_proposals: the ground truths stand before the boxes, matched to themselves."""

    def __init__(self, num, pos_fraction, neg_pos_ub=-1, add_gt_as_proposals=False):
        self.num = num
        self.pos_fraction = pos_fraction
        self.neg_pos_ub = neg_pos_ub
        self.add_gt_as_proposals = add_gt_as_proposals

    def sample(self, boxes, matched, gt_boxes) -> Samples:
        """boxes [n, 4], matched int [n] (-1 ignored, 0 background, i + 1 ground truth i), gt_boxes [g, 4] -> Samples."""
        boxes, gt_boxes = as_boxes(boxes), as_boxes(gt_boxes)
        if self.add_gt_as_proposals and len(gt_boxes):
            boxes = np.concatenate([gt_boxes, boxes])
            matched = np.concatenate([np.arange(1, len(gt_boxes) + 1, dtype=np.int32), matched])
        pos = _draw(np.flatnonzero(matched > 0), int(self.num * self.pos_fraction))
        wanted = self.num - len(pos)
        if self.neg_pos_ub >= 0:
            wanted = min(wanted, int(self.neg_pos_ub * max(1, len(pos))))
        neg = _draw(np.flatnonzero(matched == 0), wanted)
        index = np.concatenate([pos, neg])
        return Samples(boxes[index], matched[pos].astype(np.int64) - 1, index)
