"""Semantic RoI Align as the RoI extractor of mmdet 3.x. In a config:

    custom_imports = dict(imports=["mmdet_sra"])
    bbox_roi_extractor=dict(
        type="SemanticRoIExtractor",
        roi_layer=dict(type="SemanticRoIAlign", num_masks=49),
        out_channels=256,
        featmap_strides=[4, 8, 16, 32],
    )

with this file and torch/semantic_roi_align.py of this folder on PYTHONPATH. `jsra convert --to mmdet` and back converts the
weights of a detector, including SRA's (tested with mmdet 3.3).
"""

import math

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from semantic_roi_align import SemanticRoIAlign
from torch import nn


@MODELS.register_module()
class SemanticRoIExtractor(SingleRoIExtractor):
    """SingleRoIExtractor with one SemanticRoIAlign for all levels, as in the paper: its norms use the RoIs of all
    levels together. N masks become a map of sqrt(N) x sqrt(N)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # The name in jsra.
        (self.roi_layer,) = self.roi_layers
        del self.roi_layers

    def build_roi_layers(self, layer_cfg, featmap_strides):
        settings = dict(layer_cfg)
        if settings.pop("type") not in ("SemanticRoIAlign", SemanticRoIAlign):
            raise ValueError(f"SemanticRoIExtractor: roi_layer must be of type SemanticRoIAlign, got {layer_cfg['type']!r}")
        return nn.ModuleList([SemanticRoIAlign(**settings)])

    def forward(self, feats, rois, roi_scale_factor=None):
        """feats: maps [B, C, H, W] of the levels; rois [K, 5] -> [K, C, h, w]."""
        rois = rois.type_as(feats[0])
        levels = self.map_roi_levels(rois, len(feats))
        if roi_scale_factor is not None:
            rois = self.roi_rescale(rois, roi_scale_factor)
        out = self.roi_layer(list(feats), rois, [1 / s for s in self.featmap_strides], levels)
        side = math.isqrt(out.shape[2])
        return out.unflatten(2, (side, side))
