"""Learned Region Features (arXiv:1803.07066) in PyTorch, as jsra.roi.LearnedRegionFeatures computes them.

RoI by RoI, by the paper's formulas. This file needs only PyTorch, no other file of this folder.
"""

import math

import torch
from torch import nn


class LearnedRegionFeatures(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, N].

    y_k(b) = sum over the support S(b) of w_k(b, p, x) x(p), w_k = softmax over S(b) of G_k(b, p) + A_k(x, p)       (2, 7)
    G_k(b, p) = < W_k^box E^box(b), W^im E^im(p) >, W_k^box = U_k V;  A_k(x, p) = W_k^app . x(p)                     (8, 9)

    Args: in_channels: C. num_parts: N. embed_channels: E. geometry_channels: G. support: 'roi', 'double' (the box of twice
    the area) or 'image'. max_inside, max_outside: most positions, None: every cell. geometry, appearance: the two terms.
    State: box_embed (V), box_parts (U: rows part by part), image_embed (W^im: columns x then y), appearance (W^app).
    """

    def __init__(
        self,
        in_channels=256,
        num_parts=49,
        embed_channels=512,
        geometry_channels=256,
        support="image",
        max_inside=196,
        max_outside=196,
        geometry=True,
        appearance=True,
    ):
        super().__init__()
        self.num_parts, self.embed_channels, self.geometry_channels = num_parts, embed_channels, geometry_channels
        self.support, self.max_inside, self.max_outside = support, max_inside, max_outside
        self.geometry_on, self.appearance_on = geometry, appearance
        if geometry:
            self.box_embed = nn.Linear(4 * embed_channels, embed_channels, bias=False)
            self.box_parts = nn.Linear(embed_channels, num_parts * geometry_channels, bias=False)
            self.image_embed = nn.Linear(2 * embed_channels, geometry_channels, bias=False)
        if appearance:
            self.appearance = nn.Linear(in_channels, num_parts, bias=False)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.01)

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.
        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI."""
        maps, scales = (features, spatial_scale) if levels is not None else ([features], [spatial_scale])
        out = [maps[0].new_zeros(maps[0].shape[1], self.num_parts)] * len(rois)
        for k, (index, *box) in enumerate(rois.detach().double().tolist()):
            level = 0 if levels is None else int(levels[k])
            if not 0 <= index < len(maps[0]):
                continue
            plane, box = maps[level][int(index)], [v * scales[level] for v in box]
            cells = self.positions(box, *plane.shape[1:])
            if cells:
                x, y = torch.tensor(cells, device=plane.device).unbind(1)
                sampled = plane[:, y, x]  # [C, positions]
                out[k] = sampled @ self.weights(sampled, x, y, box).T
        return torch.stack(out) if out else maps[0].new_zeros(0, maps[0].shape[1], self.num_parts)

    def weights(self, sampled, x, y, box):
        """w_k(b, p, x) [N, positions]."""
        logits = self.appearance(sampled.T).T if self.appearance_on else 0
        if self.geometry_on:
            box = embedding(torch.tensor(box, device=x.device), self.embed_channels).flatten().to(sampled.dtype)
            box = self.box_parts(self.box_embed(box)).reshape(self.num_parts, self.geometry_channels)
            place = embedding(torch.stack([x, y], 1) + 0.5, self.embed_channels).flatten(1).to(sampled.dtype)
            logits = logits + box @ self.image_embed(place).T
        return logits.softmax(1)

    def positions(self, box, height, width):
        """The cells (x, y) of S(b), those inside the RoI first; [] for a degenerate box and for one that touches no cell."""
        x0, y0, x1, y1 = box
        if not all(abs(v) < 1e7 for v in box) or x1 <= x0 or y1 <= y0:
            return []
        columns, rows = cell_range(x0, x1, width), cell_range(y0, y1, height)
        if not len(columns) or not len(rows):
            return []
        stride_x, stride_y = 1, 1
        if self.max_inside is not None:
            stride_x = max(math.ceil(len(columns) / math.sqrt(self.max_inside)), 1)
            stride_y = max(math.ceil(len(rows) / math.sqrt(self.max_inside)), 1)
        cells = [(x, y) for y in rows[::stride_y] for x in columns[::stride_x]]
        if self.support == "roi":
            return cells
        around_x, around_y = range(width), range(height)
        if self.support == "double":
            half_x, half_y = (x1 - x0) / 2 * math.sqrt(2), (y1 - y0) / 2 * math.sqrt(2)
            around_x = cell_range((x0 + x1) / 2 - half_x, (x0 + x1) / 2 + half_x, width)
            around_y = cell_range((y0 + y1) / 2 - half_y, (y0 + y1) / 2 + half_y, height)
        stride = 1
        if self.max_outside is not None:
            stride = max(math.ceil(math.sqrt(len(around_x) * len(around_y) / self.max_outside)), 1)
        outside = [(x, y) for y in around_y[::stride] for x in around_x[::stride]]
        return cells + [(x, y) for x, y in outside if x not in columns or y not in rows]


def cell_range(low, high, size):
    """The cells that [low, high] touches, at least one, clipped to a map of `size` cells."""
    first = math.floor(low)
    end = max(math.ceil(high), first + 1)
    return range(min(max(first, 0), size), min(max(end, 0), size))


def embedding(values, width):
    """[..., width]: sin(z / 1000^(2i / width)) at 2i and the cosine at 2i + 1."""
    angles = values.double()[..., None] / 1000.0 ** (2 * torch.arange(width // 2, device=values.device).double() / width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
