"""Semantic RoI Align as the box pooler of detectron2's RoI heads:

    model = detectron2.modeling.build_model(cfg)
    model.roi_heads.box_pooler = SemanticROIPooler.like(model.roi_heads.box_pooler, num_masks=49)

with this file and torch/semantic_roi_align.py of this folder on PYTHONPATH. Written against the published interface of
detectron2 0.6 (ROIPooler), and tested with a mock of it, not with detectron2 itself.
"""

import math

import torch
from semantic_roi_align import SemanticRoIAlign
from torch import nn


class SemanticROIPooler(nn.Module):
    """ROIPooler with one SemanticRoIAlign for all levels. scales: cells per pixel of each map, finest first; settings:
    SemanticRoIAlign's; N masks become a map of sqrt(N) x sqrt(N)."""

    def __init__(self, scales, canonical_box_size=224, canonical_level=4, **settings):
        super().__init__()
        self.scales = [float(s) for s in scales]
        self.canonical_box_size, self.canonical_level = canonical_box_size, canonical_level
        self.roi_layer = SemanticRoIAlign(**settings)
        self.output_size = (math.isqrt(self.roi_layer.fc2.out_features),) * 2

    @classmethod
    def like(cls, pooler, **settings):
        """A pooler with the maps and the assignment of levels of a detectron2 ROIPooler."""
        scales = [level.spatial_scale for level in pooler.level_poolers]
        return cls(scales, pooler.canonical_box_size, pooler.canonical_level, **settings)

    def forward(self, x, box_lists):
        """x: maps [B, C, H, W]; box_lists: one Boxes object (with `tensor` [n, 4]) per image -> [K, C, h, w]."""
        counts = torch.tensor([len(b.tensor) for b in box_lists], device=x[0].device)
        index = torch.arange(len(box_lists), device=x[0].device).repeat_interleave(counts)
        boxes = torch.cat([b.tensor for b in box_lists])
        finest, coarsest = (round(-math.log2(self.scales[i])) for i in (0, -1))
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
        level = (self.canonical_level + torch.log2(side / self.canonical_box_size + 1e-8)).floor()
        levels = level.clamp(finest, coarsest) - finest
        rois = torch.cat([index[:, None].to(boxes.dtype), boxes], 1)
        return self.roi_layer(list(x), rois, self.scales, levels).unflatten(2, self.output_size)
