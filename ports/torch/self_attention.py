"""'w/ SA', a baseline of Semantic RoI Align (arXiv:2312.09609), in PyTorch, as jsra.roi.RoISelfAttention computes it.

This file needs only PyTorch and torchvision, no other file of this folder.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import roi_align


class RoISelfAttention(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, h, w]: one layer of multi-head self-attention among the
    h * w positions of an RoI; no residual, no norm, no dropout. The paper gives no widths; these are jsra's assumption.

    State: qkv (rows: q, k, v; each head by head), proj.
    """

    def __init__(self, output_size=7, in_channels=256, num_heads=8, head_channels=55, sampling_ratio=0):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.num_heads, self.head_channels, self.sampling_ratio = num_heads, head_channels, sampling_ratio
        self.qkv = nn.Linear(in_channels, 3 * num_heads * head_channels)
        self.proj = nn.Linear(num_heads * head_channels, in_channels)

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        sampled = aligned(features, rois.detach(), self.bins, spatial_scale, self.sampling_ratio, levels)
        tokens = sampled.flatten(2).transpose(1, 2)  # [K, h * w, C]
        parts = self.qkv(tokens).unflatten(2, (3, self.num_heads, self.head_channels))
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # [K, heads, h * w, channels] each
        heads = F.scaled_dot_product_attention(q, k, v)
        out = self.proj(heads.transpose(1, 2).flatten(2))
        return out.transpose(1, 2).reshape(sampled.shape)


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
