"""Products of the segments of a packed array, each with a different matrix: attention logits of sets of different sizes."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def segment_matmul(a, b, offsets) -> jt.Var:
    """out[t, i] = sum_j a[t, j] * b[k, i, j] for the positions t of segment k.

    Args:
        a: [T, J], packed: segment k has the rows offsets[k] to offsets[k + 1].
        b: [K, N, J], with the dtype of a.
        offsets: int32 [K + 1], increasing from 0 to T.
    Returns: [T, N]. Gradients: to a and b.
    Raises: ValueError for a wrong rank, dtype or size.
    """
    check.var("a", a, rank=2)
    check.var("b", b, rank=3, last=a.shape[1], dtypes=(str(a.dtype),))
    check.var("offsets", offsets, rank=1, dtypes=("int32",))
    if offsets.shape[0] != b.shape[0] + 1:
        raise ValueError(f"offsets: expected {b.shape[0] + 1} numbers, got shape {list(offsets.shape)}")
    return _SegmentMatmul.apply(a, b, offsets)


class _SegmentMatmul(jt.Function):
    def execute(self, a, b, offsets):
        self.inputs, self.dtype = (a, b, offsets), str(a.dtype)
        self.sizes = dict(count=b.shape[0], n=b.shape[1], width=a.shape[1])
        return run("segment_matmul", "forward", [a, b, offsets], [((a.shape[0], b.shape[1]), self.dtype)], **self.sizes)

    def grad(self, dout):
        a, b, _ = self.inputs
        outputs = [(tuple(a.shape), self.dtype), (tuple(b.shape), self.dtype)]
        da, db = run("segment_matmul", "backward", [dout, *self.inputs], outputs, **self.sizes)
        return da, db, None
