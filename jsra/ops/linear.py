"""x times a weight's transpose as one product of oneDNN (CPU) or cuBLAS (GPU), forward and backward.

Jittor writes a product of matrices over 3 dimensions and recognises it when the graph is compiled. Where the gradients of
several products meet it may not, and expands the 3 dimensions, gigabytes for packed positions. Here nothing needs to be
recognised (as in jsra.ops.conv).
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops import check


def _product(x):
    """The library's operator (a, b, whether to transpose a, b), or None: Jittor's own form has to do."""
    if 0 in x.shape or str(x.dtype) != "float32":
        return None
    name = ("cublas_ops", "cublas_matmul") if jt.flags.use_cuda else ("mkl_ops", "mkl_matmul")
    library = getattr(jt.compile_extern, name[0], None)
    return None if library is None else getattr(library, name[1])


def linear(x, weight, bias=None) -> jt.Var:
    """x [T, I], weight [O, I], bias [O] -> [T, O]. Source: torch.nn.functional.linear.

    Raises ValueError for ranks and widths that do not fit.
    """
    check.var("x", x, rank=2)
    check.var("weight", weight, rank=2, last=x.shape[1])
    if _product(x) is None:
        return nn.linear(x, weight, bias)
    out = _Linear.apply(x, weight)
    return out if bias is None else out + bias


class _Linear(jt.Function):
    def execute(self, x, weight):
        self.saved = x, weight
        return _product(x)(x, weight, False, True)

    def grad(self, gradient):
        x, weight = self.saved
        product = _product(x)
        # An input without gradient drops its part before it is ever computed.
        return product(gradient, weight, False, False), product(gradient, x, True, False)
