"""The box branch: sample proposals, extract their features, classify and refine them.

Shape letters: B images; P proposals and S samples per image; C classes.
"""

from __future__ import annotations

from jsra.arguments import part
from jsra.boxes.detections import DetectionSelector
from jsra.boxes.structures import Results, rois_of
from jsra.heads.branch import Branch
from jsra.registry import register


@register("box_branch")
class BoxBranch(Branch):
    """extractor: an RoI feature extractor, (feats, rois [K, 5]) -> [K, channels, h, w]; with n strides it reads the first n
    maps. head: e.g. Shared2FCBBoxHead.
    assigner, sampler: built objects of jsra.boxes, used in training; test: a DetectionSelector.

    The box branch runs first in its RoI head. It takes Proposals where the other branches take samples or results, and it
    returns the samples together with its losses.
    """

    def __init__(
        self,
        extractor: part.extractor,
        head: part.box_head,
        assigner: part.assigner,
        sampler: part.sampler,
        test: part.detection_selector | None = None,
    ):
        super().__init__()
        self.extractor = extractor
        self.head = head
        self.assigner = assigner
        self.sampler = sampler
        self.test = test or DetectionSelector()

    def forward(self, feats, rois):
        """rois [K, 5] (batch index, xyxy in image pixels) -> logits [K, .] and deltas [K, .] of the head."""
        return self.head(self.extractor(feats, rois))

    def sample(self, proposals, targets):
        """Match and sample the proposals -> Samples."""
        matches = self.assigner.assign(proposals.boxes, targets.truth, proposals.valid)
        return self.sampler.sample(proposals.boxes, matches, targets.truth)

    def losses(self, feats, proposals, targets):
        """({loss_cls, loss_box}, [samples])."""
        samples = self.sample(proposals, targets)
        logits, deltas = self.forward(feats, rois_of(samples.boxes, samples.weights))
        return self.head.losses(logits, deltas, samples), [samples]

    def results(self, feats, proposals, targets):
        logits, deltas = self.forward(feats, rois_of(proposals.boxes, proposals.valid))
        return detect(self.head, logits, deltas, proposals, targets, self.test)


def detect(head, logits, deltas, proposals, targets, selector) -> Results:
    """Results from a box head's outputs for all proposals. NMS runs in pixels of the original image."""
    boxes = head.boxes(deltas, proposals.boxes, targets.sizes)
    scales = targets.scales.unsqueeze(1)
    boxes = boxes * (scales if boxes.ndim == 3 else scales.unsqueeze(2))
    scores = head.scores(logits).reshape(*proposals.boxes.shape[:2], -1)
    boxes, scores, labels, rows, count = selector.select(boxes, scores, proposals.valid)
    rois = rois_of(boxes / scales, labels)
    return Results(count, rows, rois, {"boxes": boxes, "scores": scores, "labels": labels})
