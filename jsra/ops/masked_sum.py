"""Masked sums: the attention of Semantic RoI Align (arXiv:2312.09609, eq. 1 and 2) over packed positions."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files


def masked_sum(logits, features, offsets, gamma=1.0, return_masks=False, channels_first=False):
    """For each RoI, the softmax of gamma * logits over its positions, and the sums of its features with these weights.

    Args:
        logits: [T, N], one column for each mask.
        features: [T, C], with the dtype of the logits.
        offsets: int32 [K + 1], increasing from 0 to T: RoI k has the positions offsets[k] to offsets[k + 1]. Not checked.
        gamma: amplification of the logits.
        return_masks: also return the masks [T, N] (float32 for float16 and bfloat16 inputs).
        channels_first: return [K, C, N] instead of [K, N, C], without an extra transposition.
    Returns: [K, N, C], or (sums, masks). Zeros for an RoI without positions.
    Raises: ValueError for a wrong rank, dtype or size.
    """
    check.var("logits", logits, rank=2)
    check.var("features", features, rank=2, dtypes=(str(logits.dtype),))
    check.var("offsets", offsets, rank=1, dtypes=("int32",))
    total = logits.shape[0]
    if features.shape[0] != total:
        raise ValueError(f"features: expected {total} rows, one for each of the logits, got {list(features.shape)}")
    if offsets.shape[0] < 1:
        raise ValueError("offsets: expected K + 1 numbers, got none")
    out, masks = _MaskedSum.apply(logits, features, offsets, float(gamma), bool(channels_first))
    return (out, masks) if return_masks else out


class _MaskedSum(jt.Function):
    def execute(self, logits, features, offsets, gamma, channels_first):
        (total, n), channels, count = logits.shape, features.shape[1], offsets.shape[0] - 1
        self.dtype = str(logits.dtype)
        self.mask_dtype = "float32" if self.dtype in ("float16", "bfloat16") else self.dtype
        self.sizes = dict(count=count, n=n, channels=channels, gamma=gamma, channels_first=channels_first)
        shape = (count, channels, n) if channels_first else (count, n, channels)
        outputs = [(shape, self.dtype), ((total, n), self.mask_dtype)]
        out, masks = run("masked_sum", "forward", [logits, features, offsets], outputs, **self.sizes)
        self.saved = masks, features, offsets
        self.shape = shape
        return out, masks

    def grad(self, dout, dmasks):
        masks, features, offsets = self.saved
        dout = jt.zeros(self.shape, dtype=self.dtype) if dout is None else dout
        scratch = tuple(masks.shape) if runs_cuda_files() else (1, 1)
        outputs = [(tuple(masks.shape), self.dtype), (tuple(features.shape), self.dtype), (scratch, self.mask_dtype)]
        inputs = [dout, masks if dmasks is None else dmasks, masks, features, offsets]
        grads = run("masked_sum", "backward", inputs, outputs, **self.sizes, has_dmasks=dmasks is not None)
        return grads[0], grads[1], None, None, None
