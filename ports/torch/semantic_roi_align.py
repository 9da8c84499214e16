"""Semantic RoI Align (arXiv:2312.09609) in PyTorch, in its direct form; the same function as jsra.roi.SemanticRoIAlign.

Shape letters: K RoIs; T sampled positions of all RoIs in one packed array; L the largest number of positions of an
RoI; C channels of the maps; N masks. This file needs only PyTorch and torchvision, no other file of this folder.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import roi_align


class SemanticRoIAlign(nn.Module):
    """forward(features, rois, spatial_scale, levels=None) -> [K, C, N].

    Args:
        in_channels: C. num_masks: N. max_area: M, the largest number of positions on a dynamic grid.
        descriptor_channels, semantic_channels, hidden_channels: widths of D, S and the layer before the masks.
        gamma: amplification of the logits before the softmax over an RoI's positions.
        sampling_ratio: samples per block and axis, 0 for adaptive.
        grid: 'dynamic', which follows each RoI's aspect ratio; or a fixed grid, an int or (rows, columns).
        descriptor: 'avg', 'max', 'concat' (fixed grid only) or 'none'. semantic: whether z contains S; otherwise P.
        position: 'area', 'point' or 'none'. norm: 'batch' over all positions, or 'layer' over the channels of a position.

        initial_logit_std: initial deviation of gamma * logits. position_gain: initially, the position's part of S varies this
            many times as much over an RoI as the part of features with variance 1. None: PyTorch's initial weights.

    State: descriptor, semantic, norm1, fc1, norm2, fc2. z contains D, then S (or P); the columns of `semantic` are F,
    vertical embedding, horizontal embedding.
    """

    def __init__(
        self,
        in_channels=256,
        num_masks=49,
        max_area=64,
        descriptor_channels=256,
        semantic_channels=128,
        hidden_channels=256,
        gamma=50.0,
        sampling_ratio=0,
        grid="dynamic",
        descriptor="avg",
        semantic=True,
        position="area",
        norm="batch",
        initial_logit_std=4.0,
        position_gain=4.0,
    ):
        super().__init__()
        self.grid = (grid, grid) if isinstance(grid, int) else None if grid == "dynamic" else tuple(grid)
        self.max_area, self.gamma, self.sampling_ratio = max_area, gamma, sampling_ratio
        self.descriptor_kind, self.semantic_on, self.position = descriptor, semantic, position
        width, embedding = 0, {"none": 0, "point": 2, "area": 2 * max_area}[position]
        if descriptor != "none":
            blocks = self.grid[0] * self.grid[1] if descriptor == "concat" else 1
            self.descriptor = nn.Linear(in_channels * blocks, descriptor_channels)
            width += descriptor_channels
        if semantic:
            self.semantic = nn.Linear(in_channels + embedding, semantic_channels)
        width += semantic_channels if semantic else embedding
        make_norm = nn.BatchNorm1d if norm == "batch" else nn.LayerNorm
        self.norm1 = make_norm(width)
        self.fc1 = nn.Linear(width, hidden_channels)
        self.norm2 = make_norm(hidden_channels)
        self.fc2 = nn.Linear(hidden_channels, num_masks)
        self.initialise(in_channels, initial_logit_std, position_gain)

    @torch.no_grad()
    def initialise(self, in_channels, logit_std, position_gain):
        """Set the initial weights that differ from PyTorch's, as in jsra."""
        if logit_std is not None:
            # After norm and ReLU the mean square is 1/2.
            deviation = logit_std / (max(abs(self.gamma), 1e-6) * (self.fc2.in_features / 2) ** 0.5)
            nn.init.normal_(self.fc2.weight, std=deviation)
            nn.init.zeros_(self.fc2.bias)
        side = round(self.max_area**0.5) if self.grid is None else max(self.grid)
        if self.semantic_on and self.position != "none" and side > 1 and position_gain is not None:
            variance = self.embed(Packing(torch.tensor([[side, side]]))).var(0, unbiased=False).sum()
            self.semantic.weight[:, in_channels:] *= position_gain * (in_channels / variance) ** 0.5

    def forward(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W]; rois [K, 5], (batch index, x0, y0, x1, y1) in image pixels; spatial_scale: cells per pixel.

        For a pyramid: features and spatial_scale are lists, and levels [K] gives the map of each RoI. A negative batch index
        marks an unused row: it has no positions and its output is 0.
        """
        return self.intermediates(features, rois, spatial_scale, levels)["output"]

    def intermediates(self, features, rois, spatial_scale, levels=None):
        """{name: tensor} of every step, in order; the last one is the output."""
        steps, rois = {}, rois.detach()
        grids = steps["grids"] = self.grids(rois)  # [K, 2]
        packing = Packing(grids)
        sampled = steps["sampled"] = self.sample(features, rois, spatial_scale, levels, grids, packing)  # F [T, C]
        z = []
        if self.descriptor_kind != "none":
            descriptors = steps["descriptor"] = self.describe(sampled, packing)  # D [K, C_d]
            z.append(descriptors[packing.owner])
        embedding = self.embed(packing).to(sampled.dtype)  # P [T, 2 M], [T, 2] or [T, 0]
        if self.semantic_on:
            semantic = steps["semantic"] = self.semantic(torch.cat([sampled, embedding], 1))  # S [T, C_s], eq. 4
            z.append(semantic)
        else:
            z.append(embedding)
        x = steps["norm1"] = self.norm1(torch.cat(z, 1))  # [T, C_d + C_s]
        x = steps["fc1"] = self.fc1(x.relu())
        x = steps["norm2"] = self.norm2(x)
        logits = steps["fc2"] = self.fc2(x.relu())  # [T, N]
        # Eq. 2: softmax over the positions of the RoI. Eq. 1: sums of F, weighted by the masks.
        masks = packing.pad(self.gamma * logits, fill=torch.finfo(logits.dtype).min).softmax(1)  # [K, L, N]
        steps["masks"] = packing.pack(masks)  # [T, N]
        steps["output"] = torch.einsum("kpc,kpn->kcn", packing.pad(sampled), masks)
        return steps

    def grids(self, rois):
        """(rows, columns) of each RoI [K, 2], eq. 5: among grids with rows * columns <= M, the one whose aspect ratio is
        nearest to that of the box, in logarithms; among several, the one with the largest area."""
        if self.grid is not None:
            grids = torch.tensor([self.grid], device=rois.device).repeat(len(rois), 1)
        else:
            known = [(h, w) for h in range(1, self.max_area + 1) for w in range(1, self.max_area // h + 1)]
            known = torch.tensor(sorted(known, key=lambda g: (-g[0] * g[1], abs(g[0] - g[1]))), device=rois.device)
            boxes = rois[:, 1:].double()
            sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6)
            sides[~boxes.isfinite().all(1)] = 1.0
            wanted = (sides[:, 0] / sides[:, 1]).log()
            distance = ((known[:, 1].double() / known[:, 0]).log() - wanted[:, None]).abs()
            # Equal distances may differ by rounding; argmin takes the first of equal ones.
            grids = known[distance.round(decimals=12).argmin(1)]
        return grids * ~(rois[:, :1] < 0)

    def sample(self, features, rois, spatial_scale, levels, grids, packing):
        """F [T, C]: RoI Align with the size of each RoI's grid; one call for all RoIs with the same grid and level."""
        maps, scales = (features, spatial_scale) if levels is not None else ([features], [spatial_scale])
        levels = torch.zeros(len(rois), device=rois.device) if levels is None else levels
        boxes = rois[:, 1:]
        # Invalid RoIs (not finite, inverted, or of an image that does not exist) also have a grid, with zeros.
        exists = rois.isfinite().all(1) & (boxes.abs() < 1e7).all(1) & (rois[:, 0] < len(maps[0]))
        exists &= (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])
        sampled = maps[0].new_zeros(len(packing.owner), maps[0].shape[1])
        for grid in grids.unique(dim=0):
            for level, (x, scale) in enumerate(zip(maps, scales)):
                k = ((grids == grid).all(1) & (grid > 0).all() & (levels == level) & exists).nonzero()[:, 0]
                if len(k):
                    size = tuple(grid.tolist())
                    found = roi_align(x, rois[k].to(x.dtype), size, scale, self.sampling_ratio, aligned=True)
                    rows = packing.first[k][:, None] + torch.arange(size[0] * size[1], device=k.device)
                    sampled = sampled.index_copy(0, rows.flatten(), found.flatten(2).transpose(1, 2).flatten(0, 1))
        return sampled

    def describe(self, sampled, packing):
        """D [K, C_d], eq. 3."""
        if self.descriptor_kind == "concat":
            blocks = packing.pad(sampled)
            return self.descriptor(blocks.reshape(len(blocks), -1) if blocks.shape[1] else sampled.reshape(0, -1))
        each = self.descriptor(sampled)
        if self.descriptor_kind == "max":
            return packing.pad(each, fill=torch.finfo(each.dtype).min).max(1).values
        return packing.pad(each).sum(1) / packing.count.clamp(min=1)[:, None]

    def embed(self, packing):
        """P, eq. 6: for position (i, j) of an h x w grid the one-hot vectors of i and of j, upsampled to M; or the centre of
        its block, 2 numbers in [-1, 1]; or nothing."""
        axes = ((packing.row, packing.rows), (packing.column, packing.columns))
        if self.position == "none":
            return torch.zeros(len(packing.row), 0, device=packing.row.device)
        if self.position == "point":
            return torch.stack([(index + 0.5) / side * 2 - 1 for index, side in axes], 1)
        halves = []
        for index, side in axes:
            half = torch.zeros(len(index), self.max_area, device=index.device)
            for length in side.unique():
                table = F.interpolate(torch.eye(int(length))[None], size=self.max_area, mode="linear", align_corners=False)
                here = side == length
                half[here] = table[0].to(index.device)[index[here]]
            halves.append(half)
        return torch.cat(halves, 1)


class Packing:
    """The layout of the positions of K grids [K, 2] in one array of T rows: RoI by RoI, each grid row by row."""

    def __init__(self, grids):
        self.count = grids.prod(1)  # [K]
        self.first = self.count.cumsum(0) - self.count
        self.longest = int(self.count.max()) if len(grids) else 0
        self.owner = torch.arange(len(grids), device=grids.device).repeat_interleave(self.count)  # [T]
        self.place = torch.arange(len(self.owner), device=grids.device) - self.first[self.owner]
        self.rows, self.columns = grids[self.owner].unbind(1)
        self.row, self.column = self.place // self.columns, self.place % self.columns

    def pad(self, x, fill=0.0):
        """[T, .] -> [K, L, .]"""
        padded = x.new_full((len(self.count) * self.longest, x.shape[1]), fill)
        rows = self.owner * self.longest + self.place
        return padded.index_copy(0, rows, x).reshape(len(self.count), self.longest, x.shape[1])

    def pack(self, padded):
        """[K, L, .] -> [T, .]"""
        return padded[self.owner, self.place]
