"""The rotated RoI learner of RoI Transformer (Ding et al. 2019), trained through the sampling itself."""

from __future__ import annotations

import math

import jittor as jt
import numpy as np

from jsra import ops
from jsra.ops import check
from jsra.ops.deform_roi_pool import deform_roi_pool
from jsra.ops.is_finite import is_finite
from jsra.registry import register


@register("roi_layer")
class RoITransformer(jt.nn.Module):
    """Predict from its features how to rotate, move and resize each RoI, then sample it:
    layer(features, rois, spatial_scale, levels) -> [K, C, h, w].

        t = Linear(flatten(RoI Align(X, b))) [5], initially zero: tx, ty, tw, th, ta
        rotated box: centre + (tx * width, ty * height), width * exp(tw), height * exp(th), angle 2 pi ta, counterclockwise
        y = mean of samples x samples bilinear samples per bin, on a regular grid in the frame of the rotated box

    Source: arXiv:1812.00155. There the learner is supervised with rotated ground truth and predicts the parameters of a
    rotated box (`rotated_rois` gives them). The detection data here have upright boxes, so the learner gets its gradient
    through the sampled positions, as in a spatial transformer: each sample is a bin of deformable RoI pooling whose offset
    moves it from the upright to the rotated grid. tw and th are clipped to [-4, 4]. With the initial weights, the layer is
    RoI Align with sampling_ratio = samples.

    output_size: h and w, an int or (rows, columns). in_channels: C. sampling_ratio: of the RoI Align that the learner reads.
    """

    def __init__(
        self, output_size: int | tuple[int, int] = 7, in_channels: int = 256, samples: int = 2, sampling_ratio: int = 0
    ):
        super().__init__()
        self.bins, self.samples = check.size_pair("output_size", output_size), int(samples)
        self.sampling_ratio = int(sampling_ratio)
        self.fc = jt.nn.Linear(in_channels * self.bins[0] * self.bins[1], 5)
        self.fc.weight.assign(jt.zeros_like(self.fc.weight))
        self.fc.bias.assign(jt.zeros_like(self.fc.bias))

    def _learn(self, features, rois, spatial_scale, levels):
        flat = ops.roi_align(features, rois, self.bins, spatial_scale, self.sampling_ratio, True, "avg", levels)
        return self.fc(flat.reshape(rois.shape[0], self.fc.weight.shape[1]))

    def rotated_rois(self, features, rois, spatial_scale, levels=None):
        """[K, 6]: batch index, centre x, centre y, width, height, angle, as for jsra.ops.roi_align_rotated."""
        t = self._learn(features, rois, spatial_scale, levels)
        size = rois[:, 3:5] - rois[:, 1:3]
        centre = (rois[:, 1:3] + rois[:, 3:5]) / 2 + t[:, :2] * size
        return jt.concat([rois[:, :1], centre, size * _scale(t), t[:, 4:] * (2 * math.pi)], 1)

    def execute(self, features, rois, spatial_scale, levels=None):
        t = self._learn(features, rois, spatial_scale, levels)
        count, (rows, columns), s = rois.shape[0], self.bins, self.samples
        # Positions of the samples relative to the centre, as fractions of the box: v down, u right.
        v = jt.array(((np.arange(rows * s) + 0.5) / (rows * s) - 0.5).astype(np.float32)).reshape(1, -1, 1)
        u = jt.array(((np.arange(columns * s) + 0.5) / (columns * s) - 0.5).astype(np.float32)).reshape(1, 1, -1)
        # A box that is not finite has no aspect ratio; its output is zero for any offsets.
        size = rois[:, 3:5] - rois[:, 1:3]
        size = jt.maximum(jt.ternary(is_finite(size), size, jt.ones_like(size)), 1e-3)
        ratio = (size[:, 0] / size[:, 1]).reshape(-1, 1, 1)
        scale, angle = _scale(t), t[:, 4].reshape(-1, 1, 1) * (2 * math.pi)
        cos, sin = jt.cos(angle), jt.sin(angle)
        # The rotated sample minus the upright one, as fractions of the upright width and height.
        across, down = u * scale[:, 0].reshape(-1, 1, 1), v * scale[:, 1].reshape(-1, 1, 1)
        dx = across * cos + down / ratio * sin - u + t[:, 0].reshape(-1, 1, 1)
        dy = down * cos - across * ratio * sin - v + t[:, 1].reshape(-1, 1, 1)
        offset = jt.stack([dx, dy], 1)
        out = deform_roi_pool(features, rois, offset, (rows * s, columns * s), spatial_scale, 1, 1.0, None, levels)
        return out.reshape(count, out.shape[1], rows, s, columns, s).mean(5).mean(3)


def _scale(t):
    """Width and height of the rotated box / those of the RoI, [K, 2]."""
    return jt.exp(jt.clamp(t[:, 2:4], -4.0, 4.0))
