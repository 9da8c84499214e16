"""Precise RoI Align (PrRoI pooling, arXiv:1807.11590) in PyTorch, as jsra.roi.PreciseRoIAlign computes it.

This file needs only PyTorch, no other file of this folder.
"""

import torch
from torch import nn


class PreciseRoIAlign(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, h, w]: the exact mean of the bilinearly interpolated map
    over each bin. Cell i is at coordinate i. Differentiable in the rois; no weights."""

    def __init__(self, output_size=7):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        maps, scales = (features, spatial_scale) if levels is not None else ([features], [spatial_scale])
        levels = torch.zeros(len(rois), device=rois.device) if levels is None else levels
        boxes = rois[:, 1:]
        real = rois.isfinite().all(1) & (boxes.abs() < 1e7).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        out = maps[0].new_zeros(len(rois), maps[0].shape[1], *self.bins)
        for level, (x, scale) in enumerate(zip(maps, scales)):
            for image in range(len(x)):
                k = (real & (levels == level) & (rois[:, 0] == image)).nonzero()[:, 0]
                x0, y0, x1, y1 = (boxes[k] * scale).double().unbind(1)
                along_y = integral_weights(y0, y1, self.bins[0], x.shape[2]).to(x.dtype)
                along_x = integral_weights(x0, x1, self.bins[1], x.shape[3]).to(x.dtype)
                out = out.index_copy(0, k, torch.einsum("kpi,cij,kqj->kcpq", along_y, x[image], along_x))
        return out


def integral_weights(begin, end, bins, cells):
    """[K, bins, cells]: the integral of max(0, 1 - |t - i|) over each bin, divided by the bin's length; begin, end: [K].

    In float64, because a difference of two integrals loses digits for short bins.
    """
    parts = torch.arange(bins + 1, device=begin.device) / bins
    edges = begin[:, None] * (1 - parts) + end[:, None] * parts  # [K, bins + 1]
    t = (edges[..., None] - torch.arange(cells, device=begin.device)).clamp(-1, 1)
    integral = torch.where(t < 0, (t + 1) ** 2 / 2, 1 - (1 - t) ** 2 / 2)  # from minus infinity to t
    return integral.diff(dim=1) / edges.diff(dim=1)[..., None]
