"""Faster R-CNN without a pyramid, on dilated conv5 (Gu et al. 2018; Dai et al. 2017)."""

from __future__ import annotations

from jsra.detectors.two_stage import TwoStageDetector
from jsra.registry import register


@register("detector")
class FasterRCNNC5(TwoStageDetector):
    """Built modules: backbone, neck (ReducedC5), rpn, which reads the last map (conv4), and roi_head, which reads the first
    map (conv5).

    One network learns proposals and detection. In the paper (Gu et al.) each has a separate network: see SeparateRPN.
    """

    def rpn_maps(self, feats):
        return feats[-1:]
