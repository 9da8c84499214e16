"""Ports of Semantic RoI Align, each with an intended difference that `jsra crosscheck` must find at the right step.

The classes need PyTorch; the rest of the file does not.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# class -> the step at which it must part from jsra.
PLANTED = {"Gamma40": "masks", "TransposedGrid": "grids", "NoHalfPixel": "sampled", "UnweightedNorm": "norm1"}


def settings():
    """Of our layer."""
    from tests.ports.cases import SMALL

    return dict(type="SemanticRoIAlign", num_masks=4, max_area=9, **SMALL["SemanticRoIAlign"])


try:
    import torch
    import torchvision
except ImportError:
    torch = None

if torch is not None:
    sys.path.insert(0, os.path.join(HERE, "..", "..", "ports", "torch"))
    import semantic_roi_align

    class Gamma40(semantic_roi_align.SemanticRoIAlign):
        def __init__(self, **settings):
            super().__init__(gamma=40.0, **settings)

    class TransposedGrid(semantic_roi_align.SemanticRoIAlign):
        def grids(self, rois):
            return super().grids(rois).flip(1)

    class NoHalfPixel(semantic_roi_align.SemanticRoIAlign):
        def sample(self, *args):
            kept = semantic_roi_align.roi_align
            semantic_roi_align.roi_align = lambda *a, aligned: torchvision.ops.roi_align(*a, aligned=False)
            try:
                return super().sample(*args)
            finally:
                semantic_roi_align.roi_align = kept

    class RowsOnce(torch.nn.BatchNorm1d):
        """Statistics in which rows that are equal in their first channels count once: as if taken over RoIs."""

        def forward(self, x):
            if not self.training:
                return super().forward(x)
            once = x[torch.cat([torch.ones(1, dtype=torch.bool), (x[1:, :6] != x[:-1, :6]).any(1)])]
            mean, variance = once.mean(0), once.var(0, unbiased=False)
            return (x - mean) / (variance + self.eps).sqrt() * self.weight + self.bias

    class UnweightedNorm(semantic_roi_align.SemanticRoIAlign):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.norm1 = RowsOnce(self.norm1.num_features)
