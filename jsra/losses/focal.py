"""Focal loss (Lin et al. 2017): cross entropy of a sigmoid for each class, small where the answer is right already."""

from __future__ import annotations

from jsra.losses.reduce import weighted_sum
from jsra.ops.dense_focal_loss import dense_focal_loss
from jsra.registry import register


@register("loss")
class FocalLoss:
    """Of C classes with int labels, 1 to C, and 0 for the background; no column is the background's.

    alpha: weight of the class of the label, 1 - alpha that of the others. gamma: how much right answers count less.
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, loss_weight: float = 1.0):
        self.alpha = alpha
        self.gamma = gamma
        self.loss_weight = loss_weight

    def num_outputs(self, num_classes: int) -> int:
        """The columns of the logits of that many classes."""
        return num_classes

    def scores(self, logits):
        """Logits [n, C] -> the probabilities [n, C] of the classes."""
        return logits.sigmoid()

    def __call__(self, logits, labels, weight=None, avg_factor=None):
        """logits [n, C], labels int [n], weight [n]."""
        rows, classes = logits.shape
        if rows == 0:
            return logits.sum() * 0.0
        maps, labels = [logits.reshape(rows, classes, 1, 1)], labels.int32().reshape(rows, 1)
        losses = dense_focal_loss(maps, labels, classes, self.alpha, self.gamma).reshape(rows)
        return weighted_sum(losses, weight, avg_factor, self.loss_weight)

    def dense(self, maps, labels, classes: int, avg_factor):
        """Of the maps of a dense head: levels of [B, A * classes, H, W], labels int32 [B, N], negative for anchors that do
        not count (jsra.ops.dense_focal_loss)."""
        losses = dense_focal_loss(maps, labels, classes, self.alpha, self.gamma)
        return weighted_sum(losses, None, avg_factor, self.loss_weight)
