"""Faster R-CNN (Ren et al. 2015), with a Feature Pyramid Network if the neck is one."""

from __future__ import annotations

from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import register


@register("detector")
class FasterRCNN(TwoStageDetector):
    """Built modules: backbone (ResNet), neck (FPN, or None), rpn (RPNHead), roi_head (RoIHead)."""
