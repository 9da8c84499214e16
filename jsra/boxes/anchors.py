"""Anchors on the grid of a feature map, as in mmdet: centred on stride * index (center_offset 0).

Shape letters: B images; H x W cells of a map; A anchors per position; N anchors of all levels. Order everywhere: positions
row by row, then anchors; the index of an anchor is ratio * len(scales) + scale.
"""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.ops.anchor_grid import anchor_grid, anchor_valid
from jsra.registry import register


@register("anchor_generator")
class AnchorGenerator:
    """strides: image pixels per cell of each level. scales: sqrt(anchor area) / base size; ratios: height / width.

    Instead of scales, octave_base_scale and scales_per_octave can be given: base * 2^(i / scales_per_octave). base_sizes: one
    per level, in image pixels; default: the strides. center_offset: the first anchor's centre, in base sizes, 0 to 1.
    round_sides: the coordinates of the anchors at position (0, 0) are rounded to integers, as in torchvision.
    """

    def __init__(
        self,
        strides: tuple[int, ...],
        ratios: tuple[float, ...],
        scales: tuple[float, ...] | None = None,
        base_sizes: tuple[float, ...] | None = None,
        octave_base_scale: float | None = None,
        scales_per_octave: int | None = None,
        center_offset: float = 0.0,
        round_sides: bool = False,
    ):
        if scales is not None and (octave_base_scale is not None or scales_per_octave is not None):
            raise ValueError(
                "AnchorGenerator: scales, or octave_base_scale and scales_per_octave, not both: set the others to None"
            )
        if scales is None:
            if octave_base_scale is None or scales_per_octave is None:
                raise ValueError("AnchorGenerator needs scales, or octave_base_scale together with scales_per_octave")
            scales = [octave_base_scale * 2 ** (i / scales_per_octave) for i in range(scales_per_octave)]
        self.strides = [int(s) for s in strides]
        self.base_sizes = list(base_sizes) if base_sizes is not None else list(self.strides)
        if len(self.base_sizes) != len(self.strides):
            raise ValueError(f"{len(self.strides)} strides but {len(self.base_sizes)} base_sizes")
        self.ratios = np.asarray(ratios, np.float32)
        self.scales = np.asarray(scales, np.float32)
        self.center_offset = center_offset
        self.round_sides = round_sides
        self.num_base_anchors = len(self.ratios) * len(self.scales)
        self.base_anchors = [self._base(size) for size in self.base_sizes]
        self._cache = {}

    def _base(self, size) -> np.ndarray:
        """The anchors [A, 4] of position (0, 0)."""
        size = np.float32(size)
        centre = np.float32(self.center_offset) * size
        h_ratio = np.sqrt(self.ratios)
        w_ratio = 1 / h_ratio
        w = (size * w_ratio[:, None] * self.scales[None]).reshape(-1)
        h = (size * h_ratio[:, None] * self.scales[None]).reshape(-1)
        half = np.float32(0.5)
        base = np.stack([centre - half * w, centre - half * h, centre + half * w, centre + half * h], axis=1)
        return np.round(base) if self.round_sides else base

    def grids(self, sizes) -> jt.Var:
        """The anchors of all levels, concatenated: xyxy [N, 4] in image pixels. sizes: (height, width) of each map."""
        self._check(sizes)
        key = tuple((int(h), int(w)) for h, w in sizes)
        if key not in self._cache:
            if len(self._cache) >= 32:  # images of many different sizes must not fill the memory
                self._cache.clear()
            base = jt.array(np.stack(self.base_anchors))
            self._cache[key] = anchor_grid(base, self.strides, key).stop_grad()
        return self._cache[key]

    def valid(self, sizes, pad_sizes) -> jt.Var:
        """int32 [B, N]: 1 if the anchor's position is inside the padded size of its image, pad_sizes int32 [B, 2] (width,
        height) in pixels. All are 1 unless the images of a batch differ in size."""
        self._check(sizes)
        return anchor_valid(pad_sizes, self.strides, sizes, self.num_base_anchors)

    def _check(self, sizes):
        if len(sizes) != len(self.strides):
            raise ValueError(f"AnchorGenerator has {len(self.strides)} strides but was given {len(sizes)} feature maps")
