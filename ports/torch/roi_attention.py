"""RoIAttn (Liang and Song 2022, Excavating RoI Attention for Underwater Object Detection) in PyTorch, as
jsra.roi.RoIAttention computes it.

This file needs only PyTorch and torchvision, no other file of this folder.
"""

import torch
from torch import nn
from torchvision.ops import roi_align


class ExternalAttention(nn.Module):
    """x [K, D] of one image -> x + M_v A, where A [K, S] = softmax over the RoIs of M_k x, divided by its sum over S."""

    def __init__(self, channels, num_tokens):
        super().__init__()
        self.M_k = nn.Linear(channels, num_tokens, bias=False)
        self.M_v = nn.Linear(num_tokens, channels, bias=False)

    def forward(self, x):
        attention = self.M_k(x).softmax(0)
        return x + self.M_v(attention / attention.sum(1, keepdim=True).clamp(min=1e-18))


class RoIAttention(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, h, w]: `depth` times external attention among the RoIs of
    an image, on their flattened RoI Align features.

    State: blocks.{i}.M_k, blocks.{i}.M_v.
    """

    def __init__(self, output_size=7, in_channels=256, num_tokens=40, depth=2, sampling_ratio=0):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.sampling_ratio = sampling_ratio
        width = in_channels * self.bins[0] * self.bins[1]
        self.blocks = nn.ModuleList(ExternalAttention(width, num_tokens) for _ in range(depth))

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        sampled = aligned(features, rois.detach(), self.bins, spatial_scale, self.sampling_ratio, levels)
        out = sampled.flatten(1)
        batch = len(features[0]) if levels is not None else len(features)
        for image in range(batch):
            k = (rois[:, 0] == image).nonzero()[:, 0]
            x = out[k]
            for block in self.blocks:
                x = block(x)
            out = out.index_copy(0, k, x)
        return out.reshape(sampled.shape)


def aligned(features, rois, size, spatial_scale, sampling_ratio, levels):
    """Aligned RoI Align [K, C, h, w] on one map or the maps of a pyramid; zeros for invalid RoIs (not finite, inverted, or of
    an image that does not exist)."""
    maps, scales = (features, spatial_scale) if levels is not None else ([features], [spatial_scale])
    levels = torch.zeros(len(rois), device=rois.device) if levels is None else levels
    boxes = rois[:, 1:]
    real = rois.isfinite().all(1) & (boxes.abs() < 1e7).all(1) & (boxes[:, 2:] >= boxes[:, :2]).all(1)
    real &= (rois[:, 0] >= 0) & (rois[:, 0] < len(maps[0]))
    out = maps[0].new_zeros(len(rois), maps[0].shape[1], *size)
    for level, (x, scale) in enumerate(zip(maps, scales)):
        k = (real & (levels == level)).nonzero()[:, 0]
        out = out.index_copy(0, k, roi_align(x, rois[k].to(x.dtype), size, scale, sampling_ratio, aligned=True))
    return out
