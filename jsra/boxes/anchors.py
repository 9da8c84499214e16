"""Anchors on the grid of a feature map, mmdet's convention: centred on stride * index (center_offset 0).

Shape letters: H, W of a map; A anchors per position. Order everywhere: position by rows, then anchor; an anchor's index is
ratio * len(scales) + scale.
"""

from __future__ import annotations

import numpy as np

from jsra.registry import register


@register("box")
class AnchorGenerator:
    """strides: image pixels per position of each level. scales: sides in units of the stride; ratios: height / width.

    octave_base_scale and scales_per_octave may stand in for scales: base * 2^(i / scales_per_octave). base_sizes: what the
    scales multiply, the strides by default. center_offset: position of the centre within a cell of the stride, 0 to 1.
    round_sides: anchors of the position (0, 0) have whole coordinates, as in torchvision.
    """

    def __init__(
        self,
        strides,
        ratios,
        scales=None,
        base_sizes=None,
        octave_base_scale=None,
        scales_per_octave=None,
        center_offset=0.0,
        round_sides=False,
    ):
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
        """[A, 4] anchors of the position (0, 0)."""
        size = np.float32(size)
        centre = np.float32(self.center_offset) * size
        h_ratio = np.sqrt(self.ratios)
        w_ratio = 1 / h_ratio
        w = (size * w_ratio[:, None] * self.scales[None]).reshape(-1)
        h = (size * h_ratio[:, None] * self.scales[None]).reshape(-1)
        half = np.float32(0.5)
        base = np.stack([centre - half * w, centre - half * h, centre + half * w, centre + half * h], axis=1)
        return np.round(base) if self.round_sides else base

    def grid(self, level: int, size) -> np.ndarray:
        """Anchors [H * W * A, 4] of one level for a map of `size` (H, W); kept, so do not write into it."""
        key = (level, int(size[0]), int(size[1]))
        if key not in self._cache:
            if len(self._cache) > 256:  # images of ever new sizes must not fill the memory
                self._cache.clear()
            xs = np.arange(key[2], dtype=np.float32) * self.strides[level]
            ys = np.arange(key[1], dtype=np.float32) * self.strides[level]
            x, y = np.meshgrid(xs, ys)
            shifts = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
            self._cache[key] = (shifts + self.base_anchors[level][None]).reshape(-1, 4)
        return self._cache[key]

    def grids(self, sizes) -> list:
        """`grid` of every level; sizes: one (H, W) per level."""
        if len(sizes) != len(self.strides):
            raise ValueError(f"AnchorGenerator has {len(self.strides)} strides but was given {len(sizes)} feature maps")
        return [self.grid(level, size) for level, size in enumerate(sizes)]

    def valid(self, sizes, pad_shape) -> np.ndarray:
        """bool [sum H * W * A]: the position lies within the image's own padded size `pad_shape` (height, width).

        False only where a batch holds images of different sizes.
        """
        flags = []
        for stride, (h, w) in zip(self.strides, sizes):
            inside = np.zeros((h, w, self.num_base_anchors), bool)
            inside[: -(-int(pad_shape[0]) // stride), : -(-int(pad_shape[1]) // stride)] = True
            flags.append(inside.reshape(-1))
        return np.concatenate(flags)
