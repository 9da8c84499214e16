"""Focal loss (Lin et al. 2017): sigmoid cross entropy for each class, with low weight for examples that are already right."""

from __future__ import annotations

from jsra.losses.reduce import weighted_sum
from jsra.ops.dense_focal_loss import dense_focal_loss
from jsra.registry import register


@register("loss")
class FocalLoss:
    """C classes with int labels 1 to C; 0 is the background, which has no column.

    alpha: weight of the class of the label; the others have 1 - alpha. gamma: the larger, the less right answers count.
    loss_weight: factor of the loss.
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, loss_weight: float = 1.0):
        self.alpha = alpha
        self.gamma = gamma
        self.loss_weight = loss_weight

    def num_outputs(self, num_classes: int) -> int:
        """How many columns the logits have for num_classes classes."""
        return num_classes

    def scores(self, logits):
        """Logits [n, C] -> the probabilities [n, C] of the classes."""
        return logits.sigmoid()

    def __call__(self, logits, labels, weight=None, avg_factor=None):
        """logits [n, C], labels int [n], weight [n]; avg_factor: see weighted_sum. Returns a Var [1]."""
        rows, classes = logits.shape
        if rows == 0:
            return logits.sum() * 0.0
        maps, labels = [logits.reshape(rows, classes, 1, 1)], labels.int32().reshape(rows, 1)
        losses = dense_focal_loss(maps, labels, classes, self.alpha, self.gamma).reshape(rows)
        return weighted_sum(losses, weight, avg_factor, self.loss_weight)

    def dense(self, maps, labels, classes: int, avg_factor):
        """The loss of a dense head's maps: levels of [B, A * classes, H, W]; labels int32 [B, N], negative for ignored
        anchors (jsra.ops.dense_focal_loss)."""
        losses = dense_focal_loss(maps, labels, classes, self.alpha, self.gamma)
        return weighted_sum(losses, None, avg_factor, self.loss_weight)
