"""AlignDet (Chen et al. 2019): a dense proposal module refines one anchor per position, then an aligned detection module
classifies and refines these boxes with features that are sampled inside them."""

from __future__ import annotations

from jsra.arguments import part
from jsra.detectors.detector import Detector
from jsra.heads.aligned_head import AlignedHead
from jsra.heads.retina_head import RetinaHead
from jsra.heads.roi_head import read
from jsra.registry import register


@register("detector")
class AlignDet(Detector):
    """Built modules: backbone, neck; dpm, a RetinaHead, whose boxes are the refined anchors; adm, an AlignedHead.

    In evaluation dpm predicts only boxes, no classes. No gradient flows through the refined anchors, neither through the
    offsets of RoIConv nor through the targets of adm; the maps get the gradients of both modules. The paper does not say
    this; it follows simpledet's AlignDet, which computes its targets outside of the graph.
    """

    def __init__(
        self,
        backbone: part.backbone,
        dpm: part.dense_head,
        adm: part.dense_head,
        neck: part.neck | None = None,
    ):
        super().__init__(backbone, neck)
        if not isinstance(dpm, RetinaHead) or not isinstance(adm, AlignedHead):
            raise ValueError("AlignDet: dpm must be a RetinaHead and adm an AlignedHead")
        self.dpm = dpm
        self.adm = adm

    @property
    def selector(self):
        """The selector of the detections."""
        return self.adm.test

    def execute(self, images, targets=None):
        """images, targets: see Detector.complete. Returns a dict of losses in training (those of dpm are 'dpm.loss_cls',
        ...), otherwise a list of results."""
        targets = self.complete(images, targets)
        feats = self.features(images)
        anchors, deltas = self.dpm.anchors(feats), self.dpm.deltas(feats)
        boxes = self.dpm.decode(deltas, anchors, targets).stop_grad()
        maps = self.adm.forward_levels(feats, boxes)
        if not self.is_training():
            return read(self.adm.results(*maps, boxes, targets), targets)
        valid = self.dpm.valid(feats, targets)
        first = self.dpm.losses(self.dpm.logits(feats), deltas, anchors, targets, valid)
        losses = {f"dpm.{name}": loss for name, loss in first.items()}
        return {**losses, **self.adm.losses(*maps, boxes, targets, valid)}

    def forward_heads(self, feats, rois):
        """As in evaluation: dpm predicts only boxes."""
        anchors = self.dpm.anchors(feats)
        boxes = anchors.unsqueeze(0).broadcast([feats[0].shape[0], *anchors.shape])
        self.dpm.deltas(feats)
        self.adm.forward_levels(feats, boxes)
