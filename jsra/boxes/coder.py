"""Boxes as deltas to a reference box, and back.

    dx = (gx - px) / pw    dw = log(gw / pw)      p: reference (anchor or proposal), g: target; centres and sizes
then minus `means`, divided by `stds`. Source: R-CNN, appendix C; constants as in mmdet's DeltaXYWHBBoxCoder.
"""

from __future__ import annotations

import math

import numpy as np

from jsra.registry import register


def _functions(x):
    """The library whose arrays these are (numpy, or jittor for jt.Var), and its stack along the last axis."""
    if isinstance(x, np.ndarray):
        return np, lambda parts: np.stack(parts, axis=-1)
    import jittor as jt

    return jt, lambda parts: jt.stack(parts, dim=-1)


@register("box")
class DeltaXYWHBBoxCoder:
    """means, stds: normalisation of the four deltas. clip_border: clip decoded boxes to `max_shape`.
    wh_ratio_clip: a decoded side differs from the reference's by at most this factor (and its inverse).

    Takes and gives NumPy arrays or jt.Vars (then with gradients to the deltas).
    """

    def __init__(
        self, means=(0.0, 0.0, 0.0, 0.0), stds=(1.0, 1.0, 1.0, 1.0), clip_border=True, wh_ratio_clip=16 / 1000
    ):
        if len(means) != 4 or len(stds) != 4 or min(stds) <= 0:
            raise ValueError(f"the coder needs 4 means and 4 positive stds, got means={means}, stds={stds}")
        self.means = tuple(float(m) for m in means)
        self.stds = tuple(float(s) for s in stds)
        self.clip_border = clip_border
        self.max_log_ratio = abs(math.log(wh_ratio_clip))

    def encode(self, references, targets):
        """[..., 4] references and targets, xyxy -> [..., 4] deltas. A side below 1e-6 counts as 1e-6: no infinities."""
        xp, stack = _functions(references)
        pw = xp.maximum(references[..., 2] - references[..., 0], 1e-6)
        ph = xp.maximum(references[..., 3] - references[..., 1], 1e-6)
        gw = xp.maximum(targets[..., 2] - targets[..., 0], 1e-6)
        gh = xp.maximum(targets[..., 3] - targets[..., 1], 1e-6)
        dx = ((targets[..., 0] + targets[..., 2]) - (references[..., 0] + references[..., 2])) * 0.5 / pw
        dy = ((targets[..., 1] + targets[..., 3]) - (references[..., 1] + references[..., 3])) * 0.5 / ph
        deltas = (dx, dy, xp.log(gw / pw), xp.log(gh / ph))
        return stack([(d - m) / s for d, m, s in zip(deltas, self.means, self.stds)])

    def decode(self, references, deltas, max_shape=None):
        """[..., 4] references and deltas (broadcast against each other) -> [..., 4] boxes.

        max_shape: (height, width) that boxes are clipped to, if clip_border.
        """
        xp, stack = _functions(deltas)
        dx, dy, dw, dh = (deltas[..., i] * s + m for i, (m, s) in enumerate(zip(self.means, self.stds)))
        limit = self.max_log_ratio
        dw = xp.minimum(xp.maximum(dw, -limit), limit)
        dh = xp.minimum(xp.maximum(dh, -limit), limit)
        pw = references[..., 2] - references[..., 0]
        ph = references[..., 3] - references[..., 1]
        gx = (references[..., 0] + references[..., 2]) * 0.5 + pw * dx
        gy = (references[..., 1] + references[..., 3]) * 0.5 + ph * dy
        half_w, half_h = pw * xp.exp(dw) * 0.5, ph * xp.exp(dh) * 0.5
        x0, y0, x1, y1 = gx - half_w, gy - half_h, gx + half_w, gy + half_h
        if self.clip_border and max_shape is not None:
            height, width = float(max_shape[0]), float(max_shape[1])
            x0, x1 = (xp.minimum(xp.maximum(x, 0.0), width) for x in (x0, x1))
            y0, y1 = (xp.minimum(xp.maximum(y, 0.0), height) for y in (y0, y1))
        return stack([x0, y0, x1, y1])
