"""Mask R-CNN (He et al. 2017): Faster R-CNN with a mask branch."""

from __future__ import annotations

from jsra.arguments import part
from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import ConfigError, register


@register("detector")
class MaskRCNN(TwoStageDetector):
    """Built modules: as FasterRCNN, with a RoIHead that has a MaskBranch among its branches, or another one that is trained
    on masks. Raises ConfigError without one: it would be a Faster R-CNN."""

    def __init__(self, backbone: part.backbone, rpn: part.rpn, roi_head: part.roi_head, neck: part.neck | None = None):
        super().__init__(backbone, rpn, roi_head, neck)
        if not any("masks" in getattr(module, "needs", ()) for module in roi_head.modules()):
            raise ConfigError(
                "MaskRCNN: model.roi_head has no branch for masks: add branches=dict(mask=dict(type='MaskBranch', ...)), or "
                "use FasterRCNN"
            )
