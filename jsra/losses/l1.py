"""L1 and smooth L1 on box deltas."""

from __future__ import annotations

import jittor as jt

from jsra.losses.reduce import weighted_sum
from jsra.registry import register


def smooth_l1(prediction, target, beta: float):
    """d^2 / (2 beta) if |d| < beta, else |d| - beta / 2, where d = prediction - target; elementwise."""
    d = jt.abs(prediction - target)
    return jt.ternary(d < beta, d * d * (0.5 / beta), d - 0.5 * beta)


@register("loss")
class L1Loss:
    """|prediction - target|. prediction, target: the same shape; weight: broadcasts to it; avg_factor: see weighted_sum.
    loss_weight: factor of the loss."""

    def __init__(self, loss_weight: float = 1.0):
        self.loss_weight = loss_weight

    def __call__(self, prediction, target, weight=None, avg_factor=None):
        return weighted_sum(jt.abs(prediction - target), weight, avg_factor, self.loss_weight)


@register("loss")
class SmoothL1Loss:
    """Like L1Loss, but quadratic for differences below beta."""

    def __init__(self, beta: float = 1.0, loss_weight: float = 1.0):
        if beta <= 0:
            raise ValueError(f"SmoothL1Loss: beta must be positive, got {beta}; for beta 0 use L1Loss")
        self.beta = beta
        self.loss_weight = loss_weight

    def __call__(self, prediction, target, weight=None, avg_factor=None):
        return weighted_sum(smooth_l1(prediction, target, self.beta), weight, avg_factor, self.loss_weight)
