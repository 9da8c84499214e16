"""From the feature pyramid and the RoIs of a batch to RoI features, through any RoI layer."""

from __future__ import annotations

import copy
import math

import jittor as jt

from jsra.arguments import part
from jsra.ops.roi_levels import roi_levels
from jsra.registry import ConfigError, register


@register("extractor")
class FPNRoIExtractor(jt.nn.Module):
    """Assigns each RoI to a pyramid level by its size, and calls one RoI layer once for all RoIs.

    Args:
        roi_layer: layer(features, rois [K, 5], spatial_scale, levels) -> [K, C, h, w] or [K, C, N].
        out_channels: C of the maps.
        featmap_strides: image pixels per cell of each map that is read.
        finest_scale: RoIs with sqrt(area) below twice this, in image pixels, read the first map.
        per_level: True gives each level its own copy of the layer, with its own weights (deformable packs); each copy is
            called once. Raises ValueError in `execute` if the number of maps does not fit.
    """

    def __init__(
        self,
        roi_layer: part.roi_layer,
        out_channels: int = 256,
        featmap_strides: tuple[int, ...] = (4, 8, 16, 32),
        finest_scale: float = 56,
        per_level: bool = False,
    ):
        super().__init__()
        self.out_channels = int(out_channels)
        self.featmap_strides = [int(s) for s in featmap_strides]
        self.finest_scale = float(finest_scale)
        if per_level:
            self.roi_layers = jt.nn.ModuleList(
                [roi_layer] + [copy.deepcopy(roi_layer) for _ in self.featmap_strides[1:]]
            )
        else:
            self.roi_layer = roi_layer
        self.per_level = bool(per_level)

    def execute(self, feats, rois):
        """feats: maps [B, C, H, W] of the pyramid, finest first; rois: Var [K, 5] (batch index, xyxy in image pixels).

        Returns [K, C, h, w]. If the layer gives [K, C, N] and N is a square number, it becomes [K, C, sqrt(N), sqrt(N)].
        """
        maps = list(feats)[: len(self.featmap_strides)]
        if len(maps) < len(self.featmap_strides):
            raise ValueError(f"feats: expected {len(self.featmap_strides)} maps, one for each stride, got {len(maps)}")
        scales = [1.0 / s for s in self.featmap_strides]
        levels = self.levels(rois, len(maps))
        if self.per_level:
            return _square(self._level_by_level(maps, rois, scales, levels))
        return _square(_checked(self.roi_layer, self.roi_layer(maps, rois, scales, levels), rois))

    def levels(self, rois, num_levels):
        """int32 Var [K]: the map that each RoI reads."""
        return roi_levels(rois, num_levels, self.finest_scale)

    def _level_by_level(self, maps, rois, scales, levels):
        """Every copy runs, even without RoIs, so that all weights always have a gradient. The host reads the levels."""
        levels = levels.numpy()
        order = levels.argsort(kind="stable")
        parts, start = [], 0
        for level, layer in enumerate(self.roi_layers):
            stop = start + int((levels == level).sum())
            chosen = rois[jt.array(order[start:stop].astype("int32"))] if stop > start else rois[:0]
            parts.append(_checked(layer, layer(maps[level], chosen, scales[level]), chosen))
            start = stop
        back = order.argsort(kind="stable").astype("int32")
        joined = jt.concat(parts, dim=0)
        return joined[jt.array(back)] if len(back) else joined


@register("extractor")
class SingleRoIExtractor(FPNRoIExtractor):
    """FPNRoIExtractor with JDet's name and arguments; see there."""

    def __init__(
        self, roi_layer: part.roi_layer, out_channels: int, featmap_strides: tuple[int, ...], finest_scale: float = 56
    ):
        super().__init__(roi_layer, out_channels, featmap_strides, finest_scale)


def _checked(layer, out, rois):
    """Returns the features of a RoI layer. Raises ConfigError unless they have a shape that a RoI layer may return."""
    if not isinstance(out, jt.Var) or out.ndim < 2 or out.shape[0] != rois.shape[0]:
        found = list(out.shape) if hasattr(out, "shape") else ""
        raise ConfigError(
            f"{type(layer).__name__}: must return a Var [K, C, h, w] or [K, C, N] for {rois.shape[0]} RoIs, not "
            f"{type(out).__name__} {found}"
        )
    return out


def _square(out):
    side = math.isqrt(out.shape[-1]) if out.ndim == 3 else 0
    if out.ndim == 3 and side * side == out.shape[-1]:
        return out.reshape((out.shape[0], out.shape[1], side, side))
    return out
