"""Products of batches of matrices, forward and backward, by oneDNN on the CPU and cuBLAS on the GPU.

Jittor's own batched product is a 4-dimensional product that its graph compiler has to recognise; on the CPU it is 3 to 50
times slower than oneDNN's.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def bmm(a, b, trans_a=False, trans_b=False) -> jt.Var:
    """out[p] = a[p] b[p]; a, b or both can be transposed.

    Args:
        a: [P, n, m], or [P, m, n] if trans_a. b: [P, m, k], or [P, k, m] if trans_b. Each may have batch size 1: its matrix
            is then used in all products.
    Returns: [P, n, k]. Gradients to a and b.
    Raises: ValueError for a wrong rank, dtype or size.
    Source: torch.bmm.
    """
    check.var("a", a, rank=3)
    check.var("b", b, rank=3, dtypes=(str(a.dtype),))
    depth = [a.shape[1 if trans_a else 2], b.shape[2 if trans_b else 1]]
    batches = {n for n in (a.shape[0], b.shape[0]) if n != 1}
    if depth[0] != depth[1] or len(batches) > 1:
        turned = f"trans_a={bool(trans_a)}, trans_b={bool(trans_b)}"
        raise ValueError(f"bmm: a {list(a.shape)} and b {list(b.shape)} cannot be multiplied ({turned})")
    return _Bmm.apply(a, b, bool(trans_a), bool(trans_b))


def batched_product(a, b, trans_a, trans_b) -> jt.Var:
    """Like `bmm`, without checks and gradient: for use inside a jt.Function."""
    batch = min((a.shape[0], b.shape[0]), key=lambda n: n == 1)
    (rows, depth), columns = (a.shape[:0:-1] if trans_a else a.shape[1:]), b.shape[1 if trans_b else 2]
    cublas = getattr(jt.compile_extern, "cublas_ops", None) if jt.flags.use_cuda else None
    if cublas is not None and 0 not in (batch, rows, depth, columns):
        with jt.no_grad():  # as jsra.ops.linear.product
            a, b = _repeated(a, b), _repeated(b, a)
            if a.shape[0] == b.shape[0]:
                return cublas.cublas_batched_matmul(a, b, trans_a, trans_b)
    return run(
        "bmm", "forward", [a, b], [((batch, rows, columns), str(a.dtype))], batch=batch, rows=rows, columns=columns,
        depth=depth, a_turned=trans_a, b_turned=trans_b, shared_a=a.shape[0] == 1, shared_b=b.shape[0] == 1,
    )  # fmt: skip


def _repeated(matrix, other):
    """A shared matrix, repeated for every product if this needs no more memory than the matrices `other`."""
    batch = other.shape[0]
    if matrix.shape[0] != 1 or batch == 1 or batch * matrix.numel() > other.numel():
        return matrix
    return matrix.broadcast((batch, *matrix.shape[1:]))


class _Bmm(jt.Function):
    def execute(self, a, b, trans_a, trans_b):
        self.saved = a, b, trans_a, trans_b
        return batched_product(a, b, trans_a, trans_b)

    def grad(self, dout):
        a, b, trans_a, trans_b = self.saved
        # For an input without a gradient, its part is dropped and never computed (lazy execution).
        da = batched_product(b, dout, trans_b, True) if trans_a else batched_product(dout, b, False, not trans_b)
        db = batched_product(dout, a, True, trans_a) if trans_b else batched_product(a, dout, not trans_a, False)
        return _summed(da, a), _summed(db, b), None, None


def _summed(gradient, like):
    """The gradient, summed over the products if they share the matrix `like`."""
    return gradient if gradient.shape[0] == like.shape[0] else gradient.sum(0, keepdims=True)
