"""Cascade R-CNN (Cai and Vasconcelos 2018) and, with masks, Cascade Mask R-CNN (2019)."""

from __future__ import annotations

from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import register


@register("detector")
class CascadeRCNN(TwoStageDetector):
    """Built modules: as FasterRCNN, with a RoIHead on a CascadeBoxBranch; and a CascadeMaskBranch in Cascade Mask R-CNN."""
