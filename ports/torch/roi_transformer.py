"""The rotated RoI learner of RoI Transformer (arXiv:1812.00155), trained through the sampling itself, in PyTorch, as
jsra.roi.RoITransformer computes it.

This file needs only PyTorch and torchvision, no other file of this folder.
"""

import math

import torch
from torch import nn
from torchvision.ops import roi_align


class RoITransformer(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, h, w].

    t = fc(flatten(RoI Align(X, b))) [5]: the RoI is moved by (t0 width, t1 height), resized by exp(t2), exp(t3) and rotated
    by 2 pi t4, counterclockwise; then it is sampled on a regular grid with samples x samples points per bin.
    State: fc, initially zero.
    """

    def __init__(self, output_size=7, in_channels=256, samples=2, sampling_ratio=0):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.samples, self.sampling_ratio = samples, sampling_ratio
        self.fc = nn.Linear(in_channels * self.bins[0] * self.bins[1], 5)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        rois = rois.detach()
        flat = aligned(features, rois, self.bins, spatial_scale, self.sampling_ratio, levels).flatten(1)
        t = self.fc(flat)[:, :, None, None]  # [K, 5, 1, 1]
        rows, columns = (b * self.samples for b in self.bins)
        # Positions of the samples relative to the centre, as fractions of the box.
        down = ((torch.arange(rows, device=rois.device) + 0.5) / rows - 0.5)[None, :, None]
        right = ((torch.arange(columns, device=rois.device) + 0.5) / columns - 0.5)[None, None, :]
        size = rois[:, 3:5] - rois[:, 1:3]
        size = torch.where(size.isfinite(), size, 1.0).clamp(min=1e-3)
        ratio = (size[:, 0] / size[:, 1])[:, None, None]
        scale, angle = t[:, 2:4].clamp(-4, 4).exp(), t[:, 4] * (2 * math.pi)
        u, v = right * scale[:, 0], down * scale[:, 1]
        # The rotated position minus the upright one, as fractions of the upright width and height.
        dx = u * angle.cos() + v / ratio * angle.sin() - right + t[:, 0]
        dy = v * angle.cos() - u * ratio * angle.sin() - down + t[:, 1]
        out = pool(features, rois, torch.stack([dx, dy], 1), (rows, columns), spatial_scale, levels)
        return out.unflatten(3, (-1, self.samples)).unflatten(2, (-1, self.samples)).mean((3, 5))


def pool(features, rois, offset, bins, spatial_scale, levels):
    """One bilinear sample at the centre of each bin, shifted by the width and height of the RoI times its offset."""
    maps, scales = (features, spatial_scale) if levels is not None else ([features], [spatial_scale])
    rows, columns = bins
    bin_y, bin_x = torch.arange(rows, device=rois.device), torch.arange(columns, device=rois.device)
    out = [maps[0].new_zeros(maps[0].shape[1], rows, columns)] * len(rois)
    for k, roi in enumerate(rois):
        level = 0 if levels is None else int(levels[k])
        boxes = roi[1:]
        if not (roi.isfinite().all() and (boxes.abs() < 1e7).all() and 0 <= roi[0] < len(maps[0])):
            continue
        cells = boxes * scales[level] - 0.5
        (x0, y0), (width, height) = cells[:2].tolist(), (cells[2:] - cells[:2]).tolist()
        if width < 0 or height < 0:
            continue
        y = y0 + (bin_y[:, None] + 0.5) * height / rows + height * offset[k, 1]
        x = x0 + (bin_x + 0.5) * width / columns + width * offset[k, 0]
        out[k] = bilinear(maps[level][int(roi[0])], y, x)
    return torch.stack(out) if len(rois) else maps[0].new_zeros(0, maps[0].shape[1], rows, columns)


def bilinear(plane, y, x):
    """The values of plane [C, H, W] at y, x (of any shape), with cell i at coordinate i; 0 more than one cell outside."""
    height, width = plane.shape[1:]
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = y.floor(), x.floor()
    wy, wx = y - top, x - left
    top, left = top.long(), left.long()
    bottom, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    upper = plane[:, top, left] * (1 - wx) + plane[:, top, right] * wx
    lower = plane[:, bottom, left] * (1 - wx) + plane[:, bottom, right] * wx
    return (upper * (1 - wy) + lower * wy) * inside


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
