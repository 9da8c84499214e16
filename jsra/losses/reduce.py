"""The last step of every loss: weights, the denominator, the loss weight."""

from __future__ import annotations


def weighted_sum(values, weight=None, avg_factor=None, loss_weight=1.0):
    """sum(values * weight) * loss_weight / avg_factor, a Var [1]. avg_factor: a number, a Var [1], or None: the number of
    values (at least one).

    Without any values the result is 0, connected to the graph.
    """
    if weight is not None:
        values = values * weight
    if avg_factor is None:
        avg_factor = max(values.numel(), 1)
    return values.sum() * (loss_weight / avg_factor)
