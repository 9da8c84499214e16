"""Cross entropy on logits: softmax over classes, or an independent sigmoid for each."""

from __future__ import annotations

import jittor as jt

from jsra.losses.reduce import weighted_sum
from jsra.registry import register


def log_softmax(logits):
    """[n, c] -> [n, c]; no overflow for any finite logits, because the largest is subtracted first."""
    shifted = logits - logits.max(dim=1, keepdims=True).stop_grad()
    return shifted - jt.log(jt.exp(shifted).sum(dim=1, keepdims=True))


def one_hot(labels, count: int):
    """labels int [n] -> float32 [n, count]; a row of zeros for a label outside 0..count-1."""
    shape = [labels.shape[0], count]
    return (labels.reshape(-1, 1).broadcast(shape) == jt.arange(count).reshape(1, -1).broadcast(shape)).float32()


def softmax_cross_entropy(logits, labels):
    """logits [n, c], labels int [n] within 0..c-1 -> [n] losses."""
    return -(log_softmax(logits) * one_hot(labels, logits.shape[1])).sum(dim=1)


def binary_cross_entropy(logits, targets):
    """Logits x and targets t (0 to 1) of the same shape -> losses of that shape: max(x, 0) - x t + log(1 + exp(-|x|))."""
    # At x = 0, Jittor's gradient of |x| is 1 and that of maximum(x, 0) is 0, but both terms must be of the same side.
    positive_part = jt.ternary(logits < 0, jt.zeros_like(logits), logits)
    return positive_part - logits * targets + jt.log(1.0 + jt.exp(-jt.abs(logits)))


@register("loss")
class CrossEntropyLoss:
    """C classes with int labels 1 to C; 0 is the background.

    use_sigmoid: logits [n, C], an independent decision for each class. Otherwise a softmax over logits [n, C + 1], in which
    column 0 is the background. loss_weight: factor of the loss.
    """

    def __init__(self, use_sigmoid: bool = False, loss_weight: float = 1.0):
        self.use_sigmoid = use_sigmoid
        self.loss_weight = loss_weight

    def num_outputs(self, num_classes: int) -> int:
        """How many columns the logits have for num_classes classes."""
        return num_classes + (not self.use_sigmoid)

    def scores(self, logits):
        """Logits [n, .] -> the probabilities [n, C] of the classes."""
        return logits.sigmoid() if self.use_sigmoid else jt.exp(log_softmax(logits))[:, 1:]

    def __call__(self, logits, targets, weight=None, avg_factor=None):
        """targets: int labels [n]; with use_sigmoid also numbers from 0 to 1 in the logits' shape. weight: [n]; for targets
        in the logits' shape, one that broadcasts to it. avg_factor: see weighted_sum. Returns a Var [1]."""
        if logits.shape[0] == 0:
            return logits.sum() * 0.0
        if not self.use_sigmoid:
            losses = softmax_cross_entropy(logits, targets)
        elif list(targets.shape) == list(logits.shape):
            losses = binary_cross_entropy(logits, targets)
        else:
            losses = binary_cross_entropy(logits, one_hot(targets - 1, logits.shape[1])).sum(dim=1)
        return weighted_sum(losses, weight, avg_factor, self.loss_weight)
