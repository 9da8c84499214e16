"""Semantic RoI Align as the box_roi_pool of torchvision's Faster R-CNN:

    from torchvision.models.detection import fasterrcnn_resnet50_fpn
    from torchvision_sra import SemanticRoIPool

    model = fasterrcnn_resnet50_fpn(weights=None, num_classes=81, box_roi_pool=SemanticRoIPool(num_masks=49))

with this file and torch/semantic_roi_align.py of this folder on PYTHONPATH. `jsra convert --to torchvision` and back converts
the weights of a detector, including SRA's (tested with torchvision 0.27).
"""

import math

import torch
from semantic_roi_align import SemanticRoIAlign
from torchvision.ops import MultiScaleRoIAlign


class SemanticRoIPool(MultiScaleRoIAlign):
    """MultiScaleRoIAlign with one SemanticRoIAlign for all levels. settings: SemanticRoIAlign's; N masks become a map of
    sqrt(N) x sqrt(N)."""

    def __init__(self, featmap_names=("0", "1", "2", "3"), canonical_scale=224, canonical_level=4, **settings):
        layer = SemanticRoIAlign(**settings)
        super().__init__(
            list(featmap_names),
            math.isqrt(layer.fc2.out_features),
            layer.sampling_ratio,
            canonical_scale=canonical_scale,
            canonical_level=canonical_level,
        )
        self.roi_layer = layer

    def forward(self, x, boxes, image_shapes):
        """x: {name: map [B, C, H, W]}; boxes: [n, 4] of each image; image_shapes: (height, width) of each -> [K, C, h, w]."""
        maps = [x[name] for name in x if name in self.featmap_names]
        height = max(shape[0] for shape in image_shapes)
        steps = [round(math.log2(height / m.shape[-2])) for m in maps]  # log2 of the stride
        counts = torch.tensor([len(b) for b in boxes], device=maps[0].device)
        index = torch.arange(len(boxes), device=maps[0].device).repeat_interleave(counts)
        rois = torch.cat([index[:, None].to(maps[0].dtype), torch.cat(list(boxes))], 1)
        area = (rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])
        level = (torch.log2(area.sqrt() / self.canonical_scale) + self.canonical_level + 1e-6).floor()
        levels = level.clamp(steps[0], steps[-1]) - steps[0]
        return self.roi_layer(maps, rois, [2.0**-step for step in steps], levels).unflatten(2, self.output_size)
