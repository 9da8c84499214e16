"""Cross entropy on logits: softmax over classes, or an independent sigmoid for each."""

from __future__ import annotations

import jittor as jt

from jsra.losses.reduce import weighted_sum
from jsra.registry import register


def log_softmax(logits):
    """[n, c] -> [n, c]; exact for any finite logits (the largest is subtracted first)."""
    shifted = logits - logits.max(dim=1, keepdims=True).stop_grad()
    return shifted - jt.log(jt.exp(shifted).sum(dim=1, keepdims=True))


def softmax_cross_entropy(logits, labels):
    """logits [n, c], labels int [n] within 0..c-1 -> [n] losses."""
    n, c = logits.shape
    onehot = labels.reshape(-1, 1).broadcast([n, c]) == jt.arange(c).reshape(1, -1).broadcast([n, c])
    return -(log_softmax(logits) * onehot.float32()).sum(dim=1)


def binary_cross_entropy(logits, targets):
    """Logits and targets (0 to 1) of one shape -> losses of that shape: max(x, 0) - x t + log(1 + exp(-|x|))."""
    return jt.maximum(logits, 0.0) - logits * targets + jt.log(1.0 + jt.exp(-jt.abs(logits)))


@register("loss")
class CrossEntropyLoss:
    """use_sigmoid: targets are numbers from 0 to 1 of the logits' shape; otherwise int labels [n] for logits [n, c]."""

    def __init__(self, use_sigmoid: bool = False, loss_weight: float = 1.0):
        self.use_sigmoid = use_sigmoid
        self.loss_weight = loss_weight

    def __call__(self, logits, targets, weight=None, avg_factor=None):
        if logits.shape[0] == 0:
            return logits.sum() * 0.0
        function = binary_cross_entropy if self.use_sigmoid else softmax_cross_entropy
        return weighted_sum(function(logits, targets), weight, avg_factor, self.loss_weight)
