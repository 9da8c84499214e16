"""Learned Region Features (Gu et al. 2018, Learning Region Features for Object Detection, arXiv:1803.07066).

Shape letters: K RoIs; N parts; T positions of all RoIs, packed by RoI; C channels of the maps; E channels of an embedding, G
of the geometric inner product.
"""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.masked_sum import masked_sum
from jsra.ops.permute import permute
from jsra.ops.segment_matmul import segment_matmul
from jsra.registry import register
from jsra.roi.region_support import SUPPORTS, inside, outside


def sine_embedding(values, width):
    """values z [...] -> [..., width]: sin(z / 1000^(2i / width)) at 2i and the cosine at 2i + 1, for i below width / 2."""
    wavelengths = 1000.0 ** (2 * np.arange(width // 2) / width)
    angles = np.asarray(values, np.float64)[..., None] / wavelengths
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(angles.shape[:-1] + (width,)).astype(np.float32)


@register("roi_layer")
class LearnedRegionFeatures(jt.nn.Module):
    """Each part of an RoI is a weighted sum over its support; the weights are learned from box, position and image features.

        y_k(b) = sum over p in S(b) of w_k(b, p, x) x(p)                                                         (2)
        w_k(b, p, x) = exp(G_k(b, p) + A_k(x, p)) / (sum of the same over S(b))                                  (7)
        G_k(b, p) = < W_k^box E^box(b), W^im E^im(p) >,   W_k^box = U_k V                                         (8)
        A_k(x, p) = W_k^app . x(p)                                                                               (9)
        E_2i(z) = sin(z / 1000^(2i/E)),  E_2i+1(z) = cos(z / 1000^(2i/E))

    E^im(p) [2 E] embeds (x, y) of the cell's centre, E^box(b) [4 E] the corners (x0, y0, x1, y1), both in cells of the map
    that the RoI reads (the paper gives no unit). The support S(b) is the RoI, the box of twice its area, or the whole image.
    Its positions are sparse (equations 10, 11): inside the RoI with strides ceil(width / sqrt(max_inside)), ceil(height /
    sqrt(...)), outside it with stride ceil(sqrt(area / max_outside)), with the area of the region (in the paper: of the map).

    layer(features, rois, spatial_scale, levels) -> [K, C, N]; zeros for a degenerate RoI and for one that touches no cell.

    Args:
        in_channels: C. num_parts: N. embed_channels: E. geometry_channels: G.
        support: 'roi', 'double' or 'image'. max_inside, max_outside: largest numbers of positions; None: every cell.
        geometry, appearance: the two terms; each can be switched off.

    State: box_embed (V), box_parts (U: rows part by part), image_embed (W^im: columns x then y), appearance (W^app), without
    biases, all initially normal with deviation 0.01. The term of the image embedding is computed as the sum of a term of the
    column and a term of the row: the same function with far less computation.
    """

    def __init__(
        self,
        in_channels: int = 256,
        num_parts: int = 49,
        embed_channels: int = 512,
        geometry_channels: int = 256,
        support: str = "image",
        max_inside: int | None = 196,
        max_outside: int | None = 196,
        geometry: bool = True,
        appearance: bool = True,
    ):
        super().__init__()
        if support not in SUPPORTS:
            raise ValueError(f"LearnedRegionFeatures: support must be one of {', '.join(SUPPORTS)}, got {support!r}")
        if not (geometry or appearance):
            raise ValueError("LearnedRegionFeatures: geometry and appearance are both off: turn one on")
        if embed_channels % 2:
            raise ValueError(f"LearnedRegionFeatures: embed_channels must be even, got {embed_channels}")
        self.in_channels, self.num_parts, self.embed_channels = in_channels, num_parts, embed_channels
        self.geometry_channels, self.support = geometry_channels, support
        self.max_inside, self.max_outside = max_inside, max_outside
        self.geometry_on, self.appearance_on = bool(geometry), bool(appearance)
        if geometry:
            self.box_embed = _linear(4 * embed_channels, embed_channels)
            self.box_parts = _linear(embed_channels, num_parts * geometry_channels)
            self.image_embed = _linear(2 * embed_channels, geometry_channels)
        if appearance:
            self.appearance = _linear(in_channels, num_parts)

    def execute(self, features, rois, spatial_scale, levels=None):
        logits, sampled, place = self._weigh(features, rois, spatial_scale, levels)
        if place.total == 0:
            return jt.zeros((rois.shape[0], self.in_channels, self.num_parts))
        return masked_sum(logits, sampled, place.offsets, channels_first=True)

    def weights(self, features, rois, spatial_scale, levels=None):
        """The weights for drawing, NumPy: for each RoI (cells (x, y) int [n, 2], weights [N, n]); each row sums to 1."""
        logits, sampled, place = self._weigh(features, rois, spatial_scale, levels)
        if place.total == 0:
            return [(np.zeros((0, 2), int), np.zeros((self.num_parts, 0)))] * rois.shape[0]
        weights = masked_sum(logits, sampled, place.offsets, return_masks=True)[1].numpy()
        cells, ends = np.stack([place.x, place.y], 1), place.offsets_np[1:-1]
        return [(c, w.T) for c, w in zip(np.split(cells, ends), np.split(weights, ends))]

    def _weigh(self, features, rois, spatial_scale, levels):
        """Logits [T, N] and features [T, C] at the positions, and the positions."""
        maps, scales, levels = check.pyramid(features, spatial_scale, levels, rois.shape[0])
        if maps[0].shape[1] != self.in_channels:
            raise ValueError(f"features: expected {self.in_channels} channels (in_channels), got {maps[0].shape[1]}")
        rois = check.rois("rois", rois, maps[0])
        shapes = [m.shape[2:] for m in maps]
        table = jt.concat([rois, levels.cast(str(rois.dtype)).unsqueeze(1)], dim=1).numpy()  # a single read by the host
        place = Positions(self, table[:, :5].astype(np.float64), scales, shapes, table[:, 5].astype(int), maps[0].shape[0])
        if place.total == 0:
            return None, None, place
        rows = [permute(m, 0, 2, 3, 1).reshape(-1, self.in_channels) for m in maps]
        sampled = (rows[0] if len(rows) == 1 else jt.concat(rows))[jt.array(place.rows(maps[0].shape[0]))]
        logits = self.appearance(sampled) if self.appearance_on else None
        if self.geometry_on:
            geometry = self._geometry(place)
            logits = geometry if logits is None else logits + geometry
        return logits, sampled, place

    def _geometry(self, place):
        """G [T, N]: the terms along each axis of the grids, then the sum of both axes."""
        width = self.embed_channels
        parts = self.box_parts(self.box_embed(self._table(sine_embedding(place.boxes, width).reshape(-1, 4 * width))))
        parts = parts.reshape(-1, self.num_parts, self.geometry_channels)
        longest = max(max(size) for size in place.shapes)
        table = self._table(sine_embedding(np.arange(longest) + 0.5, width))
        # Linear of (E(x), E(y)) is a term for x plus a term for y: both halves go through one layer as a batch.
        none = jt.zeros_like(table)
        tables = self.image_embed(jt.concat([jt.concat([table, none], 1), jt.concat([none, table], 1)]))
        axis_rows, axis_offsets, row_x, row_y = place.axes(longest)
        along = segment_matmul(tables[jt.array(axis_rows)], parts, jt.array(axis_offsets))
        return along[jt.array(row_x)] + along[jt.array(row_y)]

    def _table(self, values):
        """A Var in float32, or in float64 if the weights are: Jittor's product of both types ends with an error."""
        with jt.flag_scope(auto_convert_64_to_32=0):
            return jt.array(values.astype("float64" if str(self.image_embed.weight.dtype) == "float64" else "float32"))


def _linear(inputs, outputs):
    layer = jt.nn.Linear(inputs, outputs, bias=False)
    jt.init.gauss_(layer.weight, 0.0, 0.01)
    return layer


class Positions:
    """The positions of all supports, packed by RoI: x, y [T] in cells, owner [T], offsets [K + 1]. Padding RoIs have none."""

    def __init__(self, layer, rois, scales, shapes, levels, batches):
        self.shapes = [tuple(s) for s in shapes]
        exists = (rois[:, 0] >= 0) & (rois[:, 0] < batches) & (levels >= 0) & (levels < len(shapes))
        levels = self.levels = np.where(exists, levels, 0)
        self.images = np.where(exists, rois[:, 0], 0).astype(int)
        sizes = np.array([(w, h) for h, w in self.shapes])[levels].reshape(-1, 2)
        boxes = rois[:, 1:] * np.asarray(scales)[levels].reshape(-1, 1)
        boxes[~exists] = np.nan
        grid, first, end = inside(boxes, sizes, layer.max_inside)
        self.grids, empty = [grid], (grid.count == 0).any(1)
        self.boxes = np.where(empty[:, None], 0.0, boxes)
        parts = [(0, *grid.cells())]
        if layer.support != "roi":
            grid = outside(boxes, sizes, layer.max_outside, layer.support)
            grid.count[empty] = 0
            self.grids.append(grid)
            owner, i, j = grid.cells()
            at = grid.first[owner] + grid.stride[owner] * np.stack([i, j], 1)
            free = ~((at >= first[owner]) & (at < end[owner])).all(1)
            parts.append((1, owner[free], i[free], j[free]))
        kind = np.concatenate([np.full(len(owner), which) for which, owner, _, _ in parts])
        owner, i, j = (np.concatenate([p[n] for p in parts]) for n in (1, 2, 3))
        order = np.argsort(owner, kind="stable")
        self.kind, self.owner, self.i, self.j = kind[order], owner[order], i[order], j[order]
        self.total = len(order)
        self.offsets_np = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(rois)))]).astype(np.int32)
        self.offsets = jt.array(self.offsets_np)
        first, stride = (np.stack([getattr(g, name) for g in self.grids]) for name in ("first", "stride"))
        self.x = first[self.kind, self.owner, 0] + stride[self.kind, self.owner, 0] * self.i
        self.y = first[self.kind, self.owner, 1] + stride[self.kind, self.owner, 1] * self.j

    def rows(self, batches):
        """int32 [T]: the index of each position's cell in all maps, concatenated, with cells in the order (batch, y, x)."""
        heights, widths = np.array(self.shapes).T
        starts = np.concatenate([[0], np.cumsum(batches * heights * widths)])
        level = self.levels[self.owner]
        return (starts[level] + (self.images[self.owner] * heights[level] + self.y) * widths[level] + self.x).astype(
            np.int32
        )

    def axes(self, longest):
        """The cells along the axes of the grids, packed by RoI, as rows of a table: x, and y + `longest`.

        Returns (rows int32 [T'], offsets int32 [K + 1], and int32 [T] twice: for each position, the index in T' of its x and
        of its y).
        """
        pieces = [g.coordinates(axis) for axis in (0, 1) for g in self.grids]
        rows = [cell + longest * (n >= len(self.grids)) for n, (_, cell) in enumerate(pieces)]
        owner = np.concatenate([o for o, _ in pieces])
        order = np.argsort(owner, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(self.boxes)))])
        # The start of each piece: within an RoI the pieces follow each other.
        counts = np.stack([g.count[:, axis] for axis in (0, 1) for g in self.grids], 1)
        starts = offsets[:-1, None] + np.cumsum(counts, 1) - counts
        row_x = starts[self.owner, self.kind] + self.i
        row_y = starts[self.owner, len(self.grids) + self.kind] + self.j
        as_int = (np.concatenate(rows)[order], offsets, row_x, row_y)
        return tuple(a.astype(np.int32) for a in as_int)
