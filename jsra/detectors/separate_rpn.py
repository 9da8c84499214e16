"""Two networks, one for proposals and one for detection (Gu et al. 2018, section 5.1)."""

from __future__ import annotations

from jsra.arguments import part
from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import register


@register("detector")
class SeparateRPN(TwoStageDetector):
    """Built modules: rpn reads the maps of rpn_backbone and rpn_neck (None: no neck), roi_head those of backbone and neck.

    No features are shared, and proposals have no gradient, so the two networks learn independently. Both are trained in the
    same steps; the paper trains the proposal network first, then the detection network on its final proposals.
    """

    def __init__(
        self,
        backbone: part.backbone,
        rpn: part.rpn,
        roi_head: part.roi_head,
        rpn_backbone: part.backbone,
        neck: part.neck | None = None,
        rpn_neck: part.neck | None = None,
    ):
        super().__init__(backbone, rpn, roi_head, neck)
        self.rpn_backbone = rpn_backbone
        self.rpn_neck = rpn_neck

    def features(self, images):
        """The maps for detection, then those for proposals."""
        maps = self.rpn_backbone(images.stop_grad())
        return (*super().features(images), *(maps if self.rpn_neck is None else self.rpn_neck(maps)))

    def rpn_maps(self, feats):
        return feats[-len(self.rpn.anchor_generator.strides) :]
