"""Deformable RoI pooling with learned offsets and masks (arXiv:1703.06211, arXiv:1811.11168) in PyTorch, as
jsra.roi.DeformRoIPoolPack and jsra.roi.ModulatedDeformRoIPoolPack compute it.

It has no compiled code and works RoI by RoI; for training, mmcv.ops.deform_roi_pool is a faster `pool`. This file needs
only PyTorch and torchvision, no other file of this folder.
"""

import torch
from torch import nn
from torchvision.ops import roi_align


class DeformRoIPoolPack(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, h, w].

    Offsets [2, h, w] (plane 0 along x) from the RoI Align features by three fully connected layers; bin (p, q) of an RoI is
    shifted by gamma * (width * offset[0, p, q], height * offset[1, p, q]). State: offset_fc, as in mmcv.
    """

    def __init__(self, output_size=7, in_channels=256, fc_channels=1024, gamma=0.1, sampling_ratio=0):
        super().__init__()
        self.bins = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.gamma, self.sampling_ratio = gamma, sampling_ratio
        cells = self.bins[0] * self.bins[1]
        self.offset_fc = fully_connected(in_channels * cells, fc_channels, fc_channels, 2 * cells)

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        rois = rois.detach()
        flat = aligned(features, rois, self.bins, spatial_scale, self.sampling_ratio, levels).flatten(1)
        offset = self.offset_fc(flat).reshape(len(rois), 2, *self.bins)
        return pool(features, rois, offset, self.bins, spatial_scale, self.sampling_ratio, self.gamma, levels)


class ModulatedDeformRoIPoolPack(DeformRoIPoolPack):
    """The pack of Deformable ConvNets v2: bins are also multiplied by masks = sigmoid(mask_fc(F)). State: mask_fc too."""

    def __init__(self, output_size=7, in_channels=256, fc_channels=1024, gamma=0.1, sampling_ratio=0):
        super().__init__(output_size, in_channels, fc_channels, gamma, sampling_ratio)
        cells = self.bins[0] * self.bins[1]
        self.mask_fc = fully_connected(in_channels * cells, fc_channels, cells)

    def forward(self, features, rois, spatial_scale, levels=None):
        rois = rois.detach()
        flat = aligned(features, rois, self.bins, spatial_scale, self.sampling_ratio, levels).flatten(1)
        offset = self.offset_fc(flat).reshape(len(rois), 2, *self.bins)
        mask = self.mask_fc(flat).sigmoid().reshape(len(rois), 1, *self.bins)
        return mask * pool(features, rois, offset, self.bins, spatial_scale, self.sampling_ratio, self.gamma, levels)


def fully_connected(*widths):
    """Linear layers with ReLUs between them; the last one is initially zero."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    nn.init.zeros_(layers[-2].weight)
    nn.init.zeros_(layers[-2].bias)
    return nn.Sequential(*layers[:-1])


def pool(features, rois, offset, bins, spatial_scale, sampling_ratio, gamma, levels):
    """Aligned RoI Align with shifted bins: [K, C, h, w]."""
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
        if width < 0 or height < 0 or (sampling_ratio <= 0 and (width == 0 or height == 0)):
            continue
        samples_y = sampling_ratio if sampling_ratio > 0 else max(-(-height // rows), 1)
        samples_x = sampling_ratio if sampling_ratio > 0 else max(-(-width // columns), 1)
        part_y = (torch.arange(samples_y, device=rois.device) + 0.5) / samples_y
        part_x = (torch.arange(samples_x, device=rois.device) + 0.5) / samples_x
        y = y0 + (bin_y[:, None] + part_y) * height / rows  # [rows, samples]
        x = x0 + (bin_x[:, None] + part_x) * width / columns
        dx, dy = gamma * width * offset[k, 0], gamma * height * offset[k, 1]  # [rows, columns]
        y = y[:, None, :, None] + dy[:, :, None, None]  # [rows, columns, samples, 1]
        x = x[None, :, None, :] + dx[:, :, None, None]
        out[k] = bilinear(maps[level][int(roi[0])], *torch.broadcast_tensors(y, x)).mean((-1, -2))
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
