"""Batch normalisation whose statistics can be frozen while the rest of the network trains."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.runtime.distributed import all_reduce, world_size


class BatchNorm2d(nn.BatchNorm):
    """nn.BatchNorm with `frozen`: in training too, the running statistics are used and not updated (mmdet's norm_eval).

    Weight and bias stay trainable. Names in the state dict: weight, bias, running_mean, running_var.
    """

    def __init__(self, channels, frozen=False, **kwargs):
        super().__init__(channels, **kwargs)
        self.frozen = frozen

    def execute(self, x):
        if self.is_train and not self.frozen:
            return self._by_batch(x)
        # train() and eval() of the model overwrite is_train, so it is changed here for each call, not once.
        is_train, self.is_train = self.is_train, False
        try:
            return super().execute(x)
        finally:
            self.is_train = is_train

    def _by_batch(self, x):
        """Like nn.BatchNorm over the images of all processes, with a single all-reduce, so that all processes keep one order.

        The mean of each row is taken first: one float32 sum over a map of 200 x 304 has a relative error of 3e-5.
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
        """(scale, shift), [C] each, if the norm is x * scale + shift; None if it uses the statistics of the batch."""
        if self.is_train and not self.frozen:
            return None
        scale = self.weight / jt.sqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale
