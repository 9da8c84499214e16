"""Means and maxima of the segments of a packed array."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def segment_mean(values, offsets) -> jt.Var:
    """[K, C]: the mean of the rows offsets[k] to offsets[k + 1] of values [T, C]; zeros for an empty segment.

    offsets: int32 [K + 1], increasing from 0 to T. Raises ValueError for a wrong rank or dtype.
    """
    return _segment(values, offsets, False)


def segment_max(values, offsets) -> jt.Var:
    """Like segment_mean, with the maximum; the first of equal values gets the gradient."""
    return _segment(values, offsets, True)


def _segment(values, offsets, maximum):
    check.var("values", values, rank=2)
    check.var("offsets", offsets, rank=1, dtypes=("int32",))
    return _Segment.apply(values, offsets, maximum)


class _Segment(jt.Function):
    def execute(self, values, offsets, maximum):
        self.sizes = dict(count=offsets.shape[0] - 1, channels=values.shape[1], maximum=maximum)
        shape, self.shape, self.dtype = (self.sizes["count"], values.shape[1]), tuple(values.shape), str(values.dtype)
        outputs = [(shape, self.dtype), (shape if maximum else (1, 1), "int32")]
        out, row = run("segment", "forward", [values, offsets], outputs, **self.sizes)
        self.saved = offsets, row
        return out

    def grad(self, dout):
        out = run("segment", "backward", [dout, *self.saved], [(self.shape, self.dtype)], **self.sizes)
        return out, None, None
