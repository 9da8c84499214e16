"""Mask R-CNN (He et al. 2017): Faster R-CNN with a mask branch."""

from __future__ import annotations

from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import register


@register("detector")
class MaskRCNN(TwoStageDetector):
    """Built modules: as FasterRCNN, with a RoIHead that has a MaskBranch among its branches."""
