"""Batch normalisation whose statistics can be frozen while the rest of the network trains."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.runtime.distributed import all_reduce, world_size


class BatchNorm2d(nn.BatchNorm):
    """nn.BatchNorm with `frozen`: the running statistics are used, and kept, in training too (mmdet's norm_eval).

    Weight and bias stay trainable. Names in the state dict: weight, bias, running_mean, running_var.
    """

    def __init__(self, channels, frozen=False, **kwargs):
        super().__init__(channels, **kwargs)
        self.frozen = frozen

    def execute(self, x):
        if self.is_train and not self.frozen:
            return self._by_batch(x)
        # is_train is written by train() and eval() of the whole model, so it is set aside here rather than once.
        is_train, self.is_train = self.is_train, False
        try:
            return super().execute(x)
        finally:
            self.is_train = is_train

    def _by_batch(self, x):
        """As nn.BatchNorm over the images of all processes, in one sum whose order in the graph is fixed.

        Means are taken of rows first: one float32 sum over a map of 200 x 304 is wrong by 3e-5 of itself.
        """
        dims = (0, 2, 3)
        statistics = jt.stack([x.mean(3).mean((0, 2)), (x * x).mean(3).mean((0, 2))])
        if self.sync and world_size() > 1:
            statistics = all_reduce(statistics) / world_size()
        mean, square = statistics
        variance = (square - mean * mean).maximum(0.0)
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            running.update(running + (new - running) * self.momentum)
        scale = self.weight / jt.sqrt(variance + self.eps)
        return x * scale.broadcast(x, dims) + (self.bias - mean * scale).broadcast(x, dims)

    def affine_form(self):
        """(scale, shift), [C] each, where this is x * scale + shift; None where it uses the batch's statistics."""
        if self.is_train and not self.frozen:
            return None
        scale = self.weight / jt.sqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale
