"""The Gaussian error linear unit (Hendrycks and Gimpel 2016), in its exact form."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def gelu(x) -> jt.Var:
    """x * Phi(x), where Phi is the normal distribution function; x of any shape. The gradient computes Phi again.

    Raises ValueError for a wrong dtype. Source: torch.nn.functional.gelu, approximate='none'.
    """
    check.var("x", x)
    return _Gelu.apply(x)


class _Gelu(jt.Function):
    def execute(self, x):
        self.x = x
        return forward(x)

    def grad(self, dout):
        return backward(dout, self.x)


def forward(x) -> jt.Var:
    """gelu(x) without a gradient: for use inside a jt.Function."""
    return run("gelu", "forward", [x], [(tuple(x.shape), str(x.dtype))], count=x.numel())


def backward(dout, x) -> jt.Var:
    """The gradient of gelu's input x, from the gradient of its output."""
    return run("gelu", "backward", [dout, x], [(tuple(x.shape), str(x.dtype))], count=x.numel())


class GELU(jt.nn.Module):
    """gelu as a module."""

    def execute(self, x):
        return gelu(x)
