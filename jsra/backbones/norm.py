"""Batch normalisation whose statistics can be frozen while the rest of the network trains."""

from __future__ import annotations

import jittor as jt
from jittor import nn


class BatchNorm2d(nn.BatchNorm):
    """nn.BatchNorm with `frozen`: the running statistics are used, and kept, in training too (mmdet's norm_eval).

    Weight and bias stay trainable. Names in the state dict: weight, bias, running_mean, running_var.
    """

    def __init__(self, channels, frozen=False, **kwargs):
        super().__init__(channels, **kwargs)
        self.frozen = frozen

    def execute(self, x):
        if not self.frozen:
            return super().execute(x)
        # is_train is written by train() and eval() of the whole model, so it is set aside here rather than once.
        is_train, self.is_train = self.is_train, False
        try:
            return super().execute(x)
        finally:
            self.is_train = is_train

    def affine_form(self):
        """(scale, shift), [C] each, where this is x * scale + shift; None where it uses the batch's statistics."""
        if self.is_train and not self.frozen:
            return None
        scale = self.weight / jt.sqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale
