"""Semantic RoI Align (arXiv:2312.09609): RoI features sampled from semantic parts instead of fixed positions.

Shape letters: K RoIs; T sampled positions of all RoIs in one packed array; C channels of the maps; N masks; L the length of
half an area embedding.

The authors released no code. N = 49 and M = 64 are from the paper; descriptor 256, semantic 128, hidden 256 and L = M are the
round numbers that reproduce its parameter and FLOP columns. Our text copy of the paper has no value of gamma (the PDF has):
50 is an assumption.
"""

from __future__ import annotations

import math

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.dynamic_sampler import check_sampler, make_packing, sample
from jsra.ops.masked_sum import masked_sum
from jsra.ops.segment import segment_max, segment_mean
from jsra.registry import register
from jsra.roi.packed_norm import PackedBatchNorm
from jsra.roi.sra_fast import fast_logits
from jsra.roi.sra_position import POSITIONS, axis_table, position_variance

DESCRIPTORS = ("none", "avg", "max", "concat")
NORMS = ("batch", "layer")
FORMS = ("fast", "straightforward")


@register("roi_layer")
class SemanticRoIAlign(jt.nn.Module):
    """layer(features, rois [K, 5], spatial_scale, levels=None) -> [K, C, N].

    Args:
        in_channels: C. num_masks: N. max_area: M, the maximum number of positions of an RoI on a dynamic grid.
        descriptor_channels, semantic_channels, hidden_channels: widths of D, S and the layer before the masks.
        gamma: amplification of the logits before the softmax over an RoI's positions.
        sampling_ratio: samples per block and axis, 0 for adaptive.
        grid: 'dynamic', which follows each RoI's aspect ratio; or a fixed grid, an int or (rows, columns).
        descriptor: how D describes the whole RoI: the mean ('avg') or maximum ('max') of Linear(F) over the positions,
            Linear of the flattened F (positions row by row, channels innermost; 'concat', fixed grid only), or 'none'.
        semantic: whether z contains the semantic map S; otherwise it contains the position embedding instead.
        position: 'area' embedding, 'point' (the block's centre, 2 numbers in [-1, 1]) or 'none'.
        norm: 'batch' over all positions of the batch, or 'layer' over the channels of a position.
        form: 'fast', or 'straightforward' as the paper describes it: the same function.
        initial_logit_std, position_gain: for the initial weights, see below; None: Jittor's initialisation.

    State: descriptor, semantic, norm1, fc1, norm2, fc2 (.weight, .bias; batch norms .running_mean, .running_var). z contains
    D, then S (or the embedding); the columns of `semantic` are F, vertical embedding, horizontal embedding.

    The paper does not give initial weights. They are Jittor's (the same as PyTorch's), with two exceptions:
    - fc2: gamma * logits starts with the deviation initial_logit_std, so that the softmax is neither flat nor saturated
      (with PyTorch's weights the deviation would be 20: each mask is a single position, and there is almost no gradient).
    - the columns of `semantic` for the position: over an RoI, their part of S varies position_gain times as much as the part
      of features with variance 1. With PyTorch's weights the features dominate: all masks of an RoI are similar, and they
      differ between RoIs, so that the head learns late (measured in docs/mini.md).
    """

    version = 2  # 2: these initial weights

    def __init__(
        self,
        in_channels: int = 256,
        num_masks: int = 49,
        max_area: int = 64,
        descriptor_channels: int = 256,
        semantic_channels: int = 128,
        hidden_channels: int = 256,
        gamma: float = 50.0,
        sampling_ratio: int = 0,
        grid: str | int | tuple[int, int] = "dynamic",
        descriptor: str = "avg",
        semantic: bool = True,
        position: str = "area",
        norm: str = "batch",
        form: str = "fast",
        initial_logit_std: float | None = 4.0,
        position_gain: float | None = 4.0,
    ):
        super().__init__()
        for name, value, known in (
            ("descriptor", descriptor, DESCRIPTORS),
            ("position", position, POSITIONS),
            ("norm", norm, NORMS),
            ("form", form, FORMS),
        ):
            if value not in known:
                raise ValueError(f"SemanticRoIAlign: {name} must be one of {', '.join(known)}, got {value!r}")
        self.grid = None if grid == "dynamic" else check.size_pair("grid", grid)
        if descriptor == "concat" and self.grid is None:
            raise ValueError("SemanticRoIAlign: descriptor 'concat' needs a fixed grid, such as grid=8")
        if descriptor == "none" and not semantic and position == "none":
            raise ValueError(
                "SemanticRoIAlign: descriptor, semantic map and position are all off: no input for the masks"
            )
        self.in_channels, self.num_masks, self.max_area = in_channels, num_masks, max_area
        self.gamma, self.sampling_ratio = float(gamma), sampling_ratio
        self.descriptor_kind, self.semantic_on, self.position, self.form = descriptor, semantic, position, form
        self.largest_side = max_area if self.grid is None else max(self.grid)
        embedding = {"none": 0, "point": 2, "area": 2 * max_area}[position]

        self.descriptor_width = 0 if descriptor == "none" else descriptor_channels
        if descriptor != "none":
            positions = self.grid[0] * self.grid[1] if descriptor == "concat" else 1
            self.descriptor = jt.nn.Linear(in_channels * positions, descriptor_channels)
        if semantic:
            self.semantic = jt.nn.Linear(in_channels + embedding, semantic_channels)
            side = round(math.sqrt(max_area)) if self.grid is None else max(self.grid)
            if embedding and side > 1 and position_gain is not None:
                factor = position_gain * math.sqrt(in_channels / position_variance(position, side, max_area))
                factors = np.repeat(np.float32([1, factor]), [in_channels, embedding])
                self.semantic.weight.assign(self.semantic.weight * jt.array(factors))
        width = self.descriptor_width + (semantic_channels if semantic else embedding)
        make_norm = PackedBatchNorm if norm == "batch" else jt.nn.LayerNorm
        self.norm1 = make_norm(width)
        self.fc1 = jt.nn.Linear(width, hidden_channels)
        self.norm2 = make_norm(hidden_channels)
        self.fc2 = jt.nn.Linear(hidden_channels, num_masks)
        if initial_logit_std is not None:
            # After norm and ReLU the mean square is 1/2.
            deviation = initial_logit_std / (max(abs(self.gamma), 1e-6) * math.sqrt(hidden_channels / 2))
            self.fc2.weight.assign(jt.randn(num_masks, hidden_channels) * deviation)
            self.fc2.bias.assign(jt.zeros(num_masks))

    def execute(self, features, rois, spatial_scale, levels=None):
        """features: [B, C, H, W], or a list of pyramid levels with a list of scales; rois [K, 5]: batch index, xyxy in image
        pixels; spatial_scale: cells per image pixel; levels: int32 [K]. -> [K, C, N]."""
        return self.gather(*self.sample(features, rois, spatial_scale, levels))

    def gather(self, sampled, packing):
        """The sums of the features weighted by the masks, [K, C, N]; the arguments are what `sample` returns."""
        if packing.total == 0 and not jt.in_mpi:
            return jt.zeros((packing.count, self.in_channels, self.num_masks), dtype=sampled.dtype)
        logits = self.logits(sampled, packing)
        return masked_sum(logits, sampled, packing.offsets, self.gamma, channels_first=True)

    def sample(self, features, rois, spatial_scale, levels=None, packing=None):
        """(F [T, C] of the Dynamic Feature Sampler, the packing of its positions). packing: None: from the layer's grids."""
        maps, scales, levels, rois = check_sampler(features, rois, spatial_scale, levels)
        if maps[0].shape[1] != self.in_channels:
            raise ValueError(f"features: expected {self.in_channels} channels (in_channels), got {maps[0].shape[1]}")
        packing = packing or make_packing(rois, self.max_area, self.grid)
        return sample(maps, rois, scales, levels, packing, self.sampling_ratio), packing

    def masks(self, features, rois, spatial_scale, levels=None):
        """The masks for drawing: a list of K NumPy arrays [N, rows, columns]; each mask sums to 1."""
        sampled, packing = self.sample(features, rois, spatial_scale, levels)
        if packing.count == 0:
            return []
        _, masks = masked_sum(self.logits(sampled, packing), sampled, packing.offsets, self.gamma, return_masks=True)
        parts = np.split(masks.numpy(), packing.offsets.numpy()[1:-1])
        return [part.T.reshape(self.num_masks, *grid) for part, grid in zip(parts, packing.grids.numpy())]

    def logits(self, sampled, packing):
        """Mask logits [T, N], before gamma. The fast form omits a constant per mask, which does not change the softmax."""
        return fast_logits(self, sampled, packing) if self.form == "fast" else self._straightforward(sampled, packing)

    def intermediates(self, features, rois, spatial_scale, levels=None):
        """{name: Var} of every step of the straightforward form, in order, for comparison with another implementation:
        grids [K, 2], sampled [T, C], descriptor [K, C_d], semantic [T, C_s], norm1, fc1, norm2, fc2 [T, .] and masks [T, N].
        """
        sampled, packing = self.sample(features, rois, spatial_scale, levels)
        steps = {"grids": packing.grids, "sampled": sampled, **self._steps(sampled, packing)}
        _, steps["masks"] = masked_sum(steps["fc2"], sampled, packing.offsets, self.gamma, return_masks=True)
        return steps

    def _straightforward(self, sampled, packing):
        return self._steps(sampled, packing)["fc2"]

    def _steps(self, sampled, packing):
        """The paper's form, with the full z at every position: {name: Var} of the steps; the last one is the logits."""
        steps, z = {}, []
        if self.descriptor_kind != "none":
            steps["descriptor"] = self._descriptors(sampled, packing)
            z.append(steps["descriptor"][packing.owner])
        embedding = self._embedding(packing, sampled.dtype)
        if self.semantic_on:
            steps["semantic"] = self.semantic(jt.concat([sampled, *embedding], dim=1))
            z.append(steps["semantic"])
        else:
            z.extend(embedding)
        steps["norm1"] = self.norm1(jt.concat(z, dim=1))
        steps["fc1"] = self.fc1(jt.nn.relu(steps["norm1"]))
        steps["norm2"] = self.norm2(steps["fc1"])
        steps["fc2"] = self.fc2(jt.nn.relu(steps["norm2"]))
        return steps

    def _descriptors(self, sampled, packing):
        """D [K, C_d]."""
        if self.descriptor_kind == "concat":
            return self.descriptor(self.flattened(sampled, packing))
        reduce = segment_max if self.descriptor_kind == "max" else segment_mean
        return reduce(self.descriptor(sampled), packing.offsets)

    def flattened(self, sampled, packing):
        """F of each RoI as one row, [K, positions * C], for a fixed grid; zeros for an RoI without positions."""
        positions = self.grid[0] * self.grid[1]
        if packing.total == packing.count * positions:
            return sampled.reshape((packing.count, -1))
        there = (packing.offsets[1:] > packing.offsets[:-1]).unsqueeze(1)
        rows = (packing.offsets[:-1].unsqueeze(1) + jt.arange(positions).unsqueeze(0)) * there
        return sampled[rows].reshape((packing.count, -1)) * there.cast(str(sampled.dtype))

    def _embedding(self, packing, dtype):
        """A list of the two halves of the position embedding, [T, L] each; empty without one."""
        if self.position == "none":
            return []
        table = jt.array(axis_table(self.position, self.largest_side, self.max_area)).cast(str(dtype))
        return [table[packing.axes[0]], table[packing.axes[1]]]
