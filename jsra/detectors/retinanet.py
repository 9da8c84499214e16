"""RetinaNet (Lin et al. 2017): a one-stage detector with a dense head on the maps of a Feature Pyramid Network."""

from __future__ import annotations

from jsra.arguments import part
from jsra.detectors.detector import Detector
from jsra.heads.roi_head import read
from jsra.registry import register


@register("detector")
class RetinaNet(Detector):
    """Built modules: backbone, neck, and head, a RetinaHead or another one with anchors."""

    def __init__(self, backbone: part.backbone, head: part.dense_head, neck: part.neck | None = None):
        super().__init__(backbone, neck)
        if head.anchor_generator is None:
            raise ValueError(f"RetinaNet: the head ({type(head).__name__}) needs an anchor_generator")
        self.head = head

    @property
    def selector(self):
        """The selector of the detections."""
        return self.head.test

    def execute(self, images, targets=None):
        """images, targets: see Detector.complete. Returns a dict of losses in training, otherwise a list of results."""
        targets = self.complete(images, targets)
        feats = self.features(images)
        logits, deltas = self.head.forward_levels(feats)
        anchors = self.head.anchors(feats)
        if self.is_training():
            return self.head.losses(logits, deltas, anchors, targets, self.head.valid(feats, targets))
        return read(self.head.results(logits, deltas, anchors, targets), targets)

    def forward_heads(self, feats, rois):
        self.head.forward_levels(feats)
