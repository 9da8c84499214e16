"""The base class of two-stage detectors: region proposals, and a head on the proposals."""

from __future__ import annotations

from jsra.arguments import part
from jsra.detectors.detector import Detector


class TwoStageDetector(Detector):
    """rpn(maps, targets) -> proposals, losses; roi_head(maps, proposals, targets) -> losses in training, results in
    evaluation. backbone, neck: see Detector."""

    def __init__(self, backbone: part.backbone, rpn: part.rpn, roi_head: part.roi_head, neck: part.neck | None = None):
        super().__init__(backbone, neck)
        self.rpn = rpn
        self.roi_head = roi_head

    @property
    def extractor(self):
        """The RoI feature extractor of the boxes."""
        return self.roi_head.box.extractor

    @property
    def selector(self):
        """The selector of the detections."""
        return self.roi_head.box.test

    def execute(self, images, targets=None):
        """images, targets: see Detector.complete. Returns a dict of losses in training, otherwise a list of results."""
        targets = self.complete(images, targets)
        return self.found(self.features(images), targets)

    def rpn_maps(self, feats):
        """The maps from which the proposals are made."""
        return feats

    def found(self, feats, targets):
        """The losses (in training) or the results, from feature maps and completed targets."""
        proposals, losses = self.rpn(self.rpn_maps(feats), targets)
        found = self.roi_head(feats, proposals, targets)
        if not self.is_training():
            return found
        losses.update(found)
        return losses

    def forward_heads(self, feats, rois):
        self.rpn.forward_levels(self.rpn_maps(feats))
        self.roi_head.forward_branches(feats, rois)
