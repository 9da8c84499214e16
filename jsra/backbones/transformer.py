"""The layers that the transformer backbones share. Maps are channels-last, [B, H, W, C], as linear layers need them."""

from __future__ import annotations

import math

import jittor as jt
import numpy as np
from jittor import nn

from jsra.ops.conv import Conv2d
from jsra.ops.depthwise_conv2d import depthwise_conv2d
from jsra.ops.gelu_linear import GELULinear
from jsra.ops.linear import Linear
from jsra.ops.permute import permute
from jsra.runtime.seed import rng


def linear(inputs, outputs, bias=True, layer=Linear):
    """A linear layer with the usual initialisation of transformers: truncated normal with deviation 0.02, bias 0.

    layer: Linear or GELULinear.
    """
    layer = layer(inputs, outputs, bias)
    jt.init.trunc_normal_(layer.weight, std=0.02)
    if bias:
        jt.init.constant_(layer.bias, 0.0)
    return layer


def conv(inputs, outputs, kernel, stride=1, padding=0, bias=True):
    """A Conv2d initialised as in PVTv2 and ViT-Adapter: normal with variance 2 / (kernel^2 * outputs), bias 0."""
    layer = Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
    jt.init.gauss_(layer.weight, 0.0, math.sqrt(2 / (kernel * kernel * outputs)))
    if bias:
        jt.init.constant_(layer.bias, 0.0)
    return layer


class MLP(nn.Module):
    """fc2(GELU(fc1(x))): [..., channels] -> the same shape."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = linear(channels, hidden), linear(hidden, channels, layer=GELULinear)

    def execute(self, x):
        return self.fc2(self.fc1(x))


class DepthwiseMLP(MLP):
    """fc2(GELU(depth-wise 3x3 convolution(fc1(x)))), as in PVTv2: [B, H, W, channels] -> the same shape."""

    def __init__(self, channels: int, hidden: int):
        super().__init__(channels, hidden)
        self.conv_weight = jt.init.gauss((hidden, 1, 3, 3), "float32", 0.0, math.sqrt(2 / 9))
        self.conv_bias = jt.zeros((hidden,))

    def execute(self, x):
        return self.fc2(self.convolved(self.fc1(x)))

    def convolved(self, x):
        return depthwise_conv2d(x, self.conv_weight, self.conv_bias, padding=1)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, the branch is set to 0 for an image with probability `rate`,
    otherwise divided by 1 - rate. [B, ...] -> the same shape."""

    def __init__(self, rate: float):
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"drop_path_rate must be at least 0 and below 1, got {rate}")
        self.rate, self.is_train = rate, True  # is_train is set by train() and eval()

    def execute(self, x):
        if not self.is_train or not self.rate:
            return x
        kept = (rng().random(x.shape[0]) >= self.rate) / (1 - self.rate)
        return _Scaled.apply(x, jt.array(kept.astype(np.float32)).stop_grad().cast(str(x.dtype)))


class _Scaled(jt.Function):
    """x [B, ...] times one factor per image. Jittor's own product would keep x in memory for the gradient of the factors."""

    def execute(self, x, factors):
        self.factors = factors
        return self.scaled(x)

    def grad(self, dout):
        return self.scaled(dout), None

    def scaled(self, x):
        with jt.no_grad():
            return x * self.factors.broadcast(x, list(range(1, x.ndim)))


def drop_path_rates(rate, depths) -> list:
    """For each stage, a list of its blocks' rates: they grow linearly from 0 (first block of all) to `rate` (last block)."""
    total = sum(depths)
    rates = [rate * i / max(1, total - 1) for i in range(total)]
    return [rates[sum(depths[:i]) : sum(depths[: i + 1])] for i in range(len(depths))]


def channels_last(x):
    """[B, C, H, W] -> [B, H, W, C]."""
    return permute(x, 0, 2, 3, 1)


def channels_first(x):
    """[B, H, W, C] -> [B, C, H, W]."""
    return permute(x, 0, 3, 1, 2)


def pad_to_multiple(x, divisor, axes):
    """x, padded with zeros at the end of each of two axes up to a multiple of `divisor`."""
    for axis in axes:
        more = -x.shape[axis] % divisor
        if more:
            shape = [*x.shape[:axis], more, *x.shape[axis + 1 :]]
            x = jt.concat([x, jt.zeros(shape, str(x.dtype))], axis)
    return x


def to_windows(x, window):
    """[B, H, W, C] -> [B * windows, n, C]; the windows of an image follow each other."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // window, window, w // window, window, c)
    return permute(x, 0, 1, 3, 2, 4, 5).reshape(-1, window * window, c)


def from_windows(x, window, height, width):
    """The inverse of to_windows."""
    c = x.shape[-1]
    x = x.reshape(-1, height // window, width // window, window, window, c)
    return permute(x, 0, 1, 3, 2, 4, 5).reshape(-1, height, width, c)
