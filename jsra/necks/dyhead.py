"""Dynamic Head (Dai et al. 2021, arXiv:2106.08322) as a neck: scale-aware, spatial-aware and task-aware attention.

The originals, microsoft/DynamicHead and mmdet's DyHead, use the offsets of the middle level for the coarser level too. The
map there is smaller, but the offsets are not resized: the convolution reads the first numbers of an image's offsets as if
they had the shape of the smaller map. Published weights were trained this way, so it is kept here; outputs are equal to
mmdet's.
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.ops.conv import Conv2d
from jsra.ops.deform_conv2d import deform_conv2d
from jsra.ops.upsample import upsample_bilinear_corners
from jsra.registry import register

TAPS, GROUPS = 9, 16  # positions of a 3x3 kernel; groups of the group norms


def _hard_sigmoid(x):
    return ((x + 3) / 6).clamp(0, 1)


def _plain_conv(inputs, outputs, kernel):
    conv = Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    jt.init.gauss_(conv.weight, 0.0, 0.01)
    jt.init.constant_(conv.bias, 0.0)
    return conv


class DynamicConv(nn.Module):
    """A modulated deformable 3x3 convolution and a group norm.

    execute: x [B, C, H, W], offset [B, 18, h, w] in cells of x, mask [B, 9, h, w] -> a map with the size of the convolution's
    output; h, w may be larger than it (see the top of this file)."""

    def __init__(self, channels: int, bias: bool, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.weight = Conv2d(channels, channels, 3, bias=False).weight
        self.bias = jt.zeros((channels,)) if bias else None
        self.norm = nn.GroupNorm(GROUPS, channels)

    def execute(self, x, offset, mask):
        size = [(n - 1) // self.stride + 1 for n in x.shape[2:]]
        offset, mask = (_first_numbers(v, size) for v in (offset, mask))
        return self.norm(deform_conv2d(x, offset, self.weight, self.bias, self.stride, padding=1, mask=mask))


def _first_numbers(x, size):
    """[B, C, H, W] -> [B, C, *size]: the first C * size[0] * size[1] numbers of each image, in the order of the memory."""
    if list(x.shape[2:]) == list(size):
        return x
    batch, channels = x.shape[:2]
    numbers = channels * size[0] * size[1]
    if numbers > channels * x.shape[2] * x.shape[3]:
        raise ValueError(
            f"DyHead: offsets of {list(x.shape[2:])} positions are too few for a map of {list(size)}: levels go from fine "
            "to coarse, each half as large as the one before"
        )
    return x.reshape(batch, -1)[:, :numbers].reshape(batch, channels, *size)


class DynamicReLU(nn.Module):
    """max(a1 x + b1, a2 x + b2), [B, C, H, W] -> the same shape; the four numbers of each channel are computed from the means
    of all channels (Chen et al. 2020)."""

    def __init__(self, channels: int, ratio: int = 4):
        super().__init__()
        self.conv1 = _plain_conv(channels, channels // ratio, 1)
        self.conv2 = _plain_conv(channels // ratio, 4 * channels, 1)

    def execute(self, x):
        batch, channels = x.shape[:2]
        means = x.mean((2, 3), keepdims=True)
        made = (_hard_sigmoid(self.conv2(nn.relu(self.conv1(means)))) - 0.5).reshape(batch, 4, channels, 1, 1)
        a1, b1, a2, b2 = (made[:, i].broadcast(x, ()) for i in range(4))
        return jt.maximum(x * (2 * a1 + 1) + b1, x * (2 * a2) + b2)


class DyHeadBlock(nn.Module):
    """A list of maps [B, channels, H_i, W_i], finest first -> a list of the same shapes."""

    def __init__(self, channels: int, zero_init_offset: bool, conv_bias: bool):
        super().__init__()
        self.high, self.mid = DynamicConv(channels, conv_bias), DynamicConv(channels, conv_bias)
        self.low = DynamicConv(channels, conv_bias, 2)
        self.offset = Conv2d(channels, 3 * TAPS, 3, padding=1)
        if zero_init_offset:
            jt.init.constant_(self.offset.weight, 0.0)
            jt.init.constant_(self.offset.bias, 0.0)
        self.scale = _plain_conv(channels, 1, 1)
        self.task = DynamicReLU(channels)

    def scaled(self, x):
        """x times one number per image, which depends on the channel means of x (scale-aware attention)."""
        return x * _hard_sigmoid(nn.relu(self.scale(x.mean((2, 3), keepdims=True)))).broadcast(x, ())

    def execute(self, maps):
        return [self.task(self.level(maps, i)) for i in range(len(maps))]

    def level(self, maps, i):
        """Map i of the output: the mean of the results of map i, the next finer and the next coarser one, in the size of
        i."""
        x = maps[i]
        made = self.offset(x)
        offset, mask = made[:, : 2 * TAPS], made[:, 2 * TAPS :].sigmoid()
        found = [self.scaled(self.mid(x, offset, mask))]
        if i > 0:
            found.append(self.scaled(self.low(maps[i - 1], offset, mask)))
        if i < len(maps) - 1:
            high = self.high(maps[i + 1], offset, mask)
            found.append(self.scaled(upsample_bilinear_corners(high, x.shape[2:])))
        return sum(found[1:], found[0]) / len(found)


@register("neck")
class DyHead(nn.Module):
    """execute(maps of the backbone) -> the maps of `neck`, each of `channels`, after num_blocks blocks.

    neck: gives the maps for the first block, finest first, each half as large as the previous one (rounded up).
    zero_init_offset: offsets start at 0 (mmdet); False: their convolution has the usual initialisation (the authors).
    conv_bias: the deformable convolutions have a bias (the authors), or none (mmdet).
    """

    def __init__(
        self,
        neck: part.neck,
        channels: int = 256,
        num_blocks: int = 6,
        zero_init_offset: bool = True,
        conv_bias: bool = False,
    ):
        super().__init__()
        if channels % GROUPS:
            raise ValueError(f"DyHead: channels must be a multiple of {GROUPS}, for the group norms, got {channels}")
        self.neck = neck
        self.blocks = nn.ModuleList([DyHeadBlock(channels, zero_init_offset, conv_bias) for _ in range(num_blocks)])

    def execute(self, maps):
        maps = self.neck(maps)
        for block in self.blocks:
            maps = block(maps)
        return tuple(maps)
