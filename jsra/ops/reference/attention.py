"""Scaled dot-product attention in NumPy: the oracle of the tests."""

import numpy as np


def attention(q, k, v, bias=None, mask=None, scale=None):
    """As jsra.ops.attention.attention, on NumPy arrays in float64."""
    logits = np.einsum("bnhd,bmhd->bhnm", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if bias is not None:
        logits = logits + bias
    if mask is not None:
        logits = logits + np.tile(mask, (len(q) // len(mask), 1, 1))[:, None]
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.einsum("bhnm,bmhd->bnhd", weights / weights.sum(axis=-1, keepdims=True), v)
