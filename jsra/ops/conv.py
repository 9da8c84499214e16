"""2-D convolution as one operator of oneDNN (CPU) or cuDNN (GPU), forward and backward.

Jittor writes a convolution as a product over 7 dimensions and recognises it when the graph is compiled. Where the gradients
of several kernels meet (the RPN and the RoI features read the same map) it does not, and expands the 7 dimensions: tens of
gigabytes. Here nothing needs to be recognised, and gradients may be synchronised in any order.
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops import check


def library(x):
    """(module, prefix) of the convolution operators for this Var, or None: Jittor's own form has to do."""
    if x.shape[0] == 0:
        return None
    if jt.flags.use_cuda:
        ops = getattr(jt.compile_extern, "cudnn_ops", None)
        return None if ops is None else (ops, "cudnn_conv")
    ops = getattr(jt.compile_extern, "mkl_ops", None)
    return None if ops is None or str(x.dtype) != "float32" else (ops, "mkl_conv")


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> jt.Var:
    """input [B, C, H, W], weight [O, C / groups, kh, kw], bias [O] -> [B, O, H', W'].

    stride, padding, dilation: ints or (rows, columns). Source: torch.nn.functional.conv2d.
    Raises ValueError for ranks and channels that do not fit.
    """
    check.var("input", input, rank=4)
    if input.shape[1] != weight.shape[1] * groups:
        raise ValueError(f"conv2d: input has {input.shape[1]} channels, the weight needs {weight.shape[1] * groups}")
    stride, padding, dilation = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation))
    if library(input) is None:
        return nn.conv2d(input, weight, bias, stride, padding, dilation, groups)
    out = _Conv2d.apply(input, weight, (*stride, *padding, *dilation, groups))
    return out if bias is None else out + bias.broadcast(out, [0, 2, 3])


class _Conv2d(jt.Function):
    def execute(self, x, weight, settings):
        self.saved = x, weight, settings
        ops, name = library(x)
        with jt.no_grad():  # as jsra.ops.linear.product
            return getattr(ops, name)(x, weight, *settings)

    def grad(self, gradient):
        x, weight, settings = self.saved
        ops, name = library(x)
        # An input without gradient drops its part before it is ever computed.
        with jt.no_grad():
            dx = getattr(ops, name + "_backward_x")(weight, gradient, *x.shape[2:], *settings)
            dw = getattr(ops, name + "_backward_w")(x, gradient, *weight.shape[2:], *settings)
        return dx, dw, None


class Conv2d(nn.Conv2d):
    """nn.Conv2d that runs `conv2d`: same arguments, same names in the state dict."""

    def execute(self, x):
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
