"""2-D convolution as a single operator, forward and backward: cuDNN's on the GPU, oneDNN's or jsra's own on the CPU.

Jittor writes a convolution as a 7-dimensional product and recognises it when the graph is compiled. If gradients of several
kernels are added (the RPN and the RoI features read the same map), it does not recognise the product and expands the 7
dimensions: tens of gigabytes. Here nothing has to be recognised, and gradients may be synchronised in any order.

On the CPU, the kernels of `fused_conv` compute the forward, the gradient of the input for stride 1, and the gradient of the
weights of a 3 x 3 kernel on large maps. They do not change the layout of the maps and need fewer multiplications; and oneDNN
2.2 reorders some weights element by element (24 ms for 512 x 2048 with AVX-512).
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops import check
from jsra.ops.fused_conv import available, conv_weight_grad, fused_conv, weight_grad_available


def library(x):
    """(module, prefix) of the library's convolution operators for this Var; None: Jittor's own form must be used."""
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
    check.var("weight", weight, rank=4)
    if input.shape[1] != weight.shape[1] * groups:
        raise ValueError(f"conv2d: input has {input.shape[1]} channels, the weight needs {weight.shape[1] * groups}")
    stride, padding, dilation = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation))
    if library(input) is None:
        return nn.conv2d(input, weight, bias, stride, padding, dilation, groups)
    out = _Conv2d.apply(input, weight, (stride, padding, dilation, groups))
    return out if bias is None else out + bias.broadcast(out, [0, 2, 3])


class _Conv2d(jt.Function):
    def execute(self, x, weight, settings):
        self.saved = x, weight, settings
        with jt.no_grad():  # as jsra.ops.linear.product
            return forward(x, weight, *settings)

    def grad(self, gradient):
        x, weight, settings = self.saved
        # For an input without a gradient, its part is dropped and never computed (lazy execution).
        with jt.no_grad():
            dx = input_gradient(weight, gradient, x.shape[2:], *settings)
            dw = weight_gradient(x, gradient, weight.shape[2:], *settings)
        return dx, dw, None


def forward(x, weight, stride, padding, dilation, groups):
    """The convolution without a gradient; like the next two functions, for use inside a jt.Function. stride, padding,
    dilation: (rows, columns)."""
    if groups == 1 and available(x):
        return fused_conv(x, weight, jt.zeros((weight.shape[0],)), stride=stride, padding=padding, dilation=dilation)
    ops, name = library(x)
    return getattr(ops, name)(x, weight, *_flat(stride, padding, dilation, groups))


def input_gradient(weight, gradient, size, stride, padding, dilation, groups):
    """The gradient of the input, [B, C, *size]. For stride 1 it is a convolution with the weights rotated by 180 degrees and
    input and output channels exchanged."""
    reach = tuple(d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding))
    if groups == 1 and stride == (1, 1) and min(reach) >= 0 and available(gradient):
        return fused_conv(gradient, weight, jt.zeros((weight.shape[1],)), padding=reach, dilation=dilation, turned=True)
    ops, name = library(gradient)
    return getattr(ops, name + "_backward_x")(weight, gradient, *size, *_flat(stride, padding, dilation, groups))


def weight_gradient(x, gradient, kernel, stride, padding, dilation, groups):
    """The gradient of the weights, [O, C / groups, *kernel]."""
    if weight_grad_available(x, gradient, kernel, stride, dilation, groups):
        return conv_weight_grad(x, gradient, padding)
    ops, name = library(x)
    return getattr(ops, name + "_backward_w")(x, gradient, *kernel, *_flat(stride, padding, dilation, groups))


def _flat(stride, padding, dilation, groups):
    """The settings in the order of the libraries."""
    return (*stride, *padding, *dilation, groups)


class Conv2d(nn.Conv2d):
    """nn.Conv2d that runs `conv2d`: same arguments, same names in the state dict."""

    def execute(self, x):
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
