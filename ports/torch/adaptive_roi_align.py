"""Adaptive RoI Align (arXiv:1808.08834, Real-Time MDNet) in PyTorch, as jsra.roi.AdaptiveRoIAlign computes it.

This file needs only PyTorch, no other file of this folder.
"""

import torch
import torch.nn.functional as F
from torch import nn


class AdaptiveRoIAlign(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, h, w]; no weights.

    One bilinear sample at the corner of each bin; the distance of its taps is the width of the bin. max_pool: sample
    (2 h + 1) x (2 w + 1) points, then max-pool windows of 3 x 3 with stride 2.
    """

    def __init__(self, output_size=7, max_pool=True):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.max_pool = max_pool

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        maps, scales = (features, spatial_scale) if levels is not None else ([features], [spatial_scale])
        levels = torch.zeros(len(rois), device=rois.device) if levels is None else levels
        rows, columns = (2 * b + 1 for b in self.bins) if self.max_pool else self.bins
        rois = rois.detach()
        boxes = rois[:, 1:]
        real = rois.isfinite().all(1) & (boxes.abs() < 1e7).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        out = maps[0].new_zeros(len(rois), maps[0].shape[1], rows, columns)
        for level, (x, scale) in enumerate(zip(maps, scales)):
            for image in range(len(x)):
                k = (real & (levels == level) & (rois[:, 0] == image)).nonzero()[:, 0]
                x0, y0, x1, y1 = (boxes[k] * scale).unbind(1)
                along_y = corner_weights(y0, y1 - y0 + 1, rows, x.shape[2])
                along_x = corner_weights(x0, x1 - x0 + 1, columns, x.shape[3])
                out = out.index_copy(0, k, torch.einsum("kpi,cij,kqj->kcpq", along_y, x[image], along_x))
        return F.max_pool2d(out, 3, 2) if self.max_pool and len(rois) else out[:, :, : self.bins[0], : self.bins[1]]


def corner_weights(start, size, bins, cells):
    """[K, bins, cells]: the weight of each cell in each bin, along one axis; start, size: [K], in cells."""
    bin_size = (size / bins)[:, None]
    v = start[:, None] + torch.arange(bins, device=start.device) * bin_size  # [K, bins]
    stride = (bin_size + 0.5).floor().clamp(min=1)
    low = v.floor()
    high = (low + stride).clamp(max=cells - 1)
    part = (v - low) / stride
    cell = torch.arange(cells, device=start.device)
    weights = (cell == low[..., None]) * (1 - part)[..., None] + (cell == high[..., None]) * part[..., None]
    return weights * ((v >= 0) & (v < cells))[..., None]
