"""Boxes to deltas relative to a reference box, and back: holds the settings of jsra.ops.encode_boxes and decode_boxes."""

from __future__ import annotations

import math

from jsra.ops.decode_boxes import decode_boxes
from jsra.ops.encode_boxes import encode_boxes, normalisation
from jsra.registry import register


@register("box_coder")
class DeltaXYWHBBoxCoder:
    """means, stds: normalisation of the four deltas. clip_border: clip decoded boxes to the image.
    wh_ratio_clip: side / side of the reference is limited to this factor below and its inverse above.
    Formulas and constants: mmdet's DeltaXYWHBBoxCoder.
    """

    def __init__(
        self,
        means: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
        stds: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
        clip_border: bool = True,
        wh_ratio_clip: float = 16 / 1000,
    ):
        normalisation(means, stds)
        self.means = tuple(float(m) for m in means)
        self.stds = tuple(float(s) for s in stds)
        self.clip_border = clip_border
        self.max_log_ratio = abs(math.log(wh_ratio_clip))

    def encode(self, references, targets):
        """references, targets xyxy [..., 4] -> deltas [..., 4]."""
        return encode_boxes(references, targets, self.means, self.stds)

    def decode(self, references, deltas, sizes=None):
        """references xyxy [B, ..., 4], deltas [B, ..., 4] or [B, ..., C, 4] -> boxes xyxy, shaped as deltas; differentiable.

        sizes: [B, 2], (width, height) to which the boxes of each image are clipped, if clip_border.
        """
        sizes = sizes if self.clip_border else None
        return decode_boxes(references, deltas, self.means, self.stds, self.max_log_ratio, sizes)
