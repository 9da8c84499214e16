"""x times the transpose of a weight as a single product of oneDNN (CPU) or cuBLAS (GPU), forward and backward.

Jittor writes a matrix product over 3 dimensions and recognises it when the graph is compiled. If gradients of several
products are added, it may not recognise them and expands the 3 dimensions: gigabytes for packed positions. Here nothing has
to be recognised (as in jsra.ops.conv).
"""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.ops import check
from jsra.ops.permute import permute


def product(a, b, trans_a, trans_b) -> jt.Var:
    """The matrix product of a and b, or of their transposes, without a gradient: for use inside a jt.Function."""
    library = _library(a, b)
    # Without no_grad, oneDNN's operator marks its arrays as needed for a gradient, and Jittor keeps their memory.
    with jt.no_grad():
        if library is not None:
            return library(a, b, trans_a, trans_b)
        return jt.matmul(permute(a, 1, 0) if trans_a else a, permute(b, 1, 0) if trans_b else b)


def _library(a, b):
    """The library's operator; None: Jittor's own form must be used."""
    known = ("float32", "float16", "bfloat16") if jt.flags.use_cuda else ("float32",)
    if 0 in a.shape or 0 in b.shape or str(a.dtype) != str(b.dtype) or str(a.dtype) not in known:
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
    out = _Linear.apply(x, weight)
    return out if bias is None else out + bias


class _Linear(jt.Function):
    def execute(self, x, weight):
        self.saved = x, weight
        return product(x, weight, False, True)

    def grad(self, gradient):
        x, weight = self.saved
        # For an input without a gradient, its part is dropped and never computed (lazy execution).
        return product(gradient, weight, False, False), product(gradient, x, True, False)


class Linear(nn.Linear):
    """nn.Linear that runs `linear`, for [..., I] -> [..., O]: same arguments, same names in the state dict."""

    function = staticmethod(linear)

    def execute(self, x):
        out = self.function(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), self.weight, self.bias)
        return out.reshape((*x.shape[:-1], out.shape[-1]))
