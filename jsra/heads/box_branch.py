"""The branch of boxes: sample proposals, extract their features, classify and refine them."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.boxes.convert import boxes_to_rois
from jsra.boxes.detections import DetectionSelector
from jsra.heads.branch import Branch
from jsra.registry import register


@register("head")
class BoxBranch(Branch):
    """extractor: an RoI feature extractor, (feats, rois [K, 5]) -> [K, C, h, w], which reads as many of the first maps as
    it has strides. head: e.g. Shared2FCBBoxHead.
    assigner, sampler: built objects of jsra.boxes, used in training; test: a DetectionSelector.

    A box branch is the first of its RoI head: where other branches are given samples or results, it is given proposals,
    and it gives the samples with the losses.
    """

    def __init__(self, extractor, head, assigner, sampler, test=None):
        super().__init__()
        self.extractor = extractor
        self.head = head
        self.assigner = assigner
        self.sampler = sampler
        self.test = test or DetectionSelector()

    def forward(self, feats, boxes):
        """boxes: [n, 4] per image -> logits [K, C + 1] and deltas of all of them."""
        rois = jt.array(boxes_to_rois(boxes)).stop_grad()
        return self.head(self.extractor(feats, rois))

    def sample(self, proposals, targets):
        """Match and sample the proposals of each image -> a list of jsra.boxes.sampler.Samples."""
        samples = []
        for boxes, target in zip(proposals, targets):
            matched = self.assigner.assign(boxes, target["bboxes"], target.get("bboxes_ignore"))
            samples.append(self.sampler.sample(boxes, matched, target["bboxes"]))
        return samples

    def losses(self, feats, proposals, targets):
        """proposals: [n, 4] per image -> ({loss_cls, loss_box}, [samples])."""
        samples = self.sample(proposals, targets)
        logits, deltas = self.forward(feats, [s.boxes for s in samples])
        return self.head.losses(logits, deltas, samples, targets), [samples]

    def results(self, feats, proposals, targets):
        """Detections of each image: img_id, boxes [n, 4] in original pixels, scores [n], labels [n] (1-based)."""
        logits, deltas = self.forward(feats, proposals)
        logits, deltas = jt.fetch_sync([logits, deltas])
        scores = _softmax(logits)
        results = []
        start = 0
        for boxes, target in zip(proposals, targets):
            end = start + len(boxes)
            scale = [o / s for o, s in zip(target["ori_img_size"], target["img_size"])]
            found, values, labels, _ = self.head.detections(
                scores[start:end], deltas[start:end], boxes, target["img_size"], scale, self.test
            )
            results.append({"img_id": target.get("img_id"), "boxes": found, "scores": values, "labels": labels})
            start = end
        return results


def _softmax(logits: np.ndarray) -> np.ndarray:
    """[n, c] -> [n, c] probabilities; n may be 0."""
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)
