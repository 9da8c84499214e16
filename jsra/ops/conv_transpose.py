"""2-D transposed convolution as a single operator of oneDNN (CPU) or cuDNN (GPU), forward and backward: see jsra.ops.conv."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops import check
from jsra.ops.conv import forward, input_gradient, library, weight_gradient


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0) -> jt.Var:
    """input [B, C, H, W], weight [C, O, kh, kw], bias [O] -> [B, O, (H - 1) * stride - 2 * padding + kh, ...].

    Source: torch.nn.functional.conv_transpose2d, without its output_padding, dilation and groups.
    Raises ValueError for ranks and channels that do not fit.
    """
    check.var("input", input, rank=4)
    check.var("weight", weight, rank=4)
    if input.shape[1] != weight.shape[0]:
        raise ValueError(f"conv_transpose2d: input has {input.shape[1]} channels, the weight needs {weight.shape[0]}")
    if library(input) is None:
        return nn.conv_transpose2d(input, weight, bias, stride, padding)
    out = _ConvTranspose2d.apply(input, weight, stride, padding)
    return out if bias is None else out + bias.broadcast(out, [0, 2, 3])


class _ConvTranspose2d(jt.Function):
    """It is the input gradient of a convolution; its own gradient is that convolution."""

    def execute(self, x, weight, stride, padding):
        self.saved = x, weight, ((stride, stride), (padding, padding), (1, 1), 1)
        size = [(n - 1) * stride - 2 * padding + k for n, k in zip(x.shape[2:], weight.shape[2:])]
        with jt.no_grad():
            return input_gradient(weight, x, size, *self.saved[2])

    def grad(self, gradient):
        x, weight, settings = self.saved
        with jt.no_grad():
            dx = forward(gradient, weight, *settings)
            dw = weight_gradient(gradient, x, weight.shape[2:], *settings)
        return dx, dw, None, None


class ConvTranspose2d(nn.ConvTranspose):
    """nn.ConvTranspose that runs `conv_transpose2d`: names in the state dict are weight [C, O, k, k] and bias."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)

    def execute(self, x):
        return conv_transpose2d(x, self.weight, self.bias, self.stride[0], self.padding[0])
