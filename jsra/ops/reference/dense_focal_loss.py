"""Focal loss on dense maps in NumPy, float64, from the probabilities."""

import numpy as np

from jsra.ops.reference.dense_gather import by_anchor


def dense_focal_loss(maps, labels, classes, alpha=0.25, gamma=2.0):
    """As jsra.ops.dense_focal_loss."""
    logits = by_anchor([m.astype(np.float64) for m in maps], classes)
    own = labels[..., None] == np.arange(1, classes + 1)
    log_p, log_q = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)  # of p = sigmoid(logit) and of 1 - p
    losses = np.where(own, -alpha * np.exp(gamma * log_q) * log_p, -(1 - alpha) * np.exp(gamma * log_p) * log_q)
    return np.where(labels < 0, 0, losses.sum(axis=2))
