"""GELU, then a linear layer, as in a transformer's MLP. The gradient computes GELU again instead of keeping its output.

The hidden maps are the largest ones in a transformer block. They are stored once instead of twice, which reduces the memory
that a training step of Swin keeps by a quarter.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.gelu import backward as gelu_backward
from jsra.ops.gelu import forward as gelu_forward
from jsra.ops.linear import Linear, product


def gelu_linear(x, weight, bias=None) -> jt.Var:
    """x [T, I], weight [O, I], bias [O] -> [T, O]: linear(gelu(x), weight, bias).

    Raises ValueError for ranks, widths and dtypes that do not fit.
    """
    check.var("x", x, rank=2)
    check.var("weight", weight, rank=2, last=x.shape[1], dtypes=(str(x.dtype),))
    out = _GELULinear.apply(x, weight)
    return out if bias is None else out + bias


class _GELULinear(jt.Function):
    def execute(self, x, weight):
        self.saved = x, weight
        return product(gelu_forward(x), weight, False, True)

    def grad(self, dout):
        x, weight = self.saved
        dx = gelu_backward(product(dout, weight, False, False), x)
        return dx, product(dout, gelu_forward(x), True, False)


class GELULinear(Linear):
    """A Linear that applies GELU to its input: same arguments, same names in the state dict."""

    function = staticmethod(gelu_linear)
