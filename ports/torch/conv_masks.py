"""'w/ Conv.', a baseline of Semantic RoI Align (arXiv:2312.09609), in PyTorch, as jsra.roi.ConvMasks computes it.

This file needs only PyTorch and torchvision, no other file of this folder.
"""

import torch
from torch import nn
from torchvision.ops import roi_align


class ConvMasks(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, N]: sums of RoI Align's features F, weighted by N
    masks. A convolution with a kernel as large as F predicts the masks, with a softmax over the positions.

    State: conv [h * w * N, C * h * w], the convolution written as the linear layer that it is.
    """

    def __init__(self, output_size=7, in_channels=256, num_masks=None, sampling_ratio=0):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.cells = self.bins[0] * self.bins[1]
        self.num_masks = self.cells if num_masks is None else num_masks
        self.sampling_ratio = sampling_ratio
        self.conv = nn.Linear(in_channels * self.cells, self.cells * self.num_masks)

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        sampled = aligned(features, rois.detach(), self.bins, spatial_scale, self.sampling_ratio, levels)
        masks = self.conv(sampled.flatten(1)).reshape(len(rois), self.cells, self.num_masks).softmax(1)
        return sampled.flatten(2) @ masks


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
