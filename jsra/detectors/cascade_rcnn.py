"""Cascade R-CNN (Cai and Vasconcelos 2018): Faster R-CNN whose box branch refines its boxes in stages."""

from __future__ import annotations

from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import register


@register("detector")
class CascadeRCNN(TwoStageDetector):
    """Built modules: backbone (ResNet), neck (FPN, or None), rpn (RPNHead), roi_head (RoIHead with a CascadeBoxBranch)."""
