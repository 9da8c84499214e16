"""InternImage (Wang et al. 2023, arXiv:2211.05778) as in InternImage-T: pre-norm, layer scale, deformable convolution v3.

Names in the state dict are the authors' (OpenGVLab/InternImage): patch_embed, levels.0.blocks.0.dcn.input_proj, ..., except
for norms and the depth-wise convolution, which are inside Sequentials there (`jsra convert` renames them).
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.backbones.checkpoint import call
from jsra.backbones.transformer import (
    MLP,
    DropPath,
    channels_first,
    channels_last,
    drop_path_rates,
    linear,
)  # fmt: skip
from jsra.ops.conv import Conv2d
from jsra.ops.dcn_v3 import dcn_v3
from jsra.ops.depthwise_conv2d import depthwise_conv2d
from jsra.ops.gelu import gelu
from jsra.ops.layer_norm import LayerNorm
from jsra.registry import register

EPS, TAPS = 1e-6, 9  # of all norms; positions of a 3x3 kernel


def _constant(layer, xavier=False):
    """The linear layer, with its weight set to 0, or to Xavier's initialisation."""
    if xavier:
        jt.init.xavier_uniform_(layer.weight)
    else:
        jt.init.constant_(layer.weight, 0.0)
    return layer


class DCNv3(nn.Module):
    """dcn_v3 between two linear layers; a depth-wise convolution gives offsets and masks. [B, H, W, channels] -> the same."""

    def __init__(self, channels: int, groups: int, offset_scale: float):
        super().__init__()
        self.groups, self.offset_scale = groups, offset_scale
        self.conv_weight = jt.init.uniform((channels, 1, 3, 3), "float32", -1 / 3, 1 / 3)  # as PyTorch starts it
        self.conv_bias = jt.init.uniform((channels,), "float32", -1 / 3, 1 / 3)
        self.norm = LayerNorm(channels, EPS)
        self.offset, self.mask = (_constant(linear(channels, groups * TAPS * n)) for n in (2, 1))
        self.input_proj, self.output_proj = (_constant(linear(channels, channels), xavier=True) for _ in range(2))

    def execute(self, x):
        made = gelu(self.norm(depthwise_conv2d(x, self.conv_weight, self.conv_bias, padding=1)))
        mask = self.mask(made)
        mask = nn.softmax(mask.reshape(*mask.shape[:3], self.groups, TAPS), -1).reshape(mask.shape)
        return self.output_proj(dcn_v3(self.input_proj(x), self.offset(made), mask, offset_scale=self.offset_scale))


class InternImageBlock(nn.Module):
    """[B, H, W, channels] -> the same shape."""

    def __init__(self, channels, groups, mlp_ratio, offset_scale, layer_scale, drop_path):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(channels, EPS), LayerNorm(channels, EPS)
        self.dcn = DCNv3(channels, groups, offset_scale)
        self.mlp = MLP(channels, int(mlp_ratio * channels))
        self.gamma1, self.gamma2 = (jt.ones((channels,)) * layer_scale for _ in range(2))
        self.drop_path = DropPath(drop_path)

    def execute(self, x):
        x = x + self.drop_path(self.dcn(self.norm1(x)) * self.gamma1)
        return x + self.drop_path(self.mlp(self.norm2(x)) * self.gamma2)


class Stem(nn.Module):
    """Two convolutions of stride 2, each with a norm: [B, 3, H, W] -> [B, H / 4, W / 4, channels], halved twice, rounded
    up."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.norm1 = Conv2d(3, channels // 2, 3, 2, 1), LayerNorm(channels // 2, EPS)
        self.conv2, self.norm2 = Conv2d(channels // 2, channels, 3, 2, 1), LayerNorm(channels, EPS)

    def execute(self, images):
        x = gelu(self.norm1(channels_last(self.conv1(images))))
        return self.norm2(channels_last(self.conv2(channels_first(x))))


class Downsample(nn.Module):
    """[B, H, W, channels] -> [B, ceil(H / 2), ceil(W / 2), 2 channels]."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv, self.norm = Conv2d(channels, 2 * channels, 3, 2, 1, bias=False), LayerNorm(2 * channels, EPS)

    def execute(self, x):
        return self.norm(channels_last(self.conv(channels_first(x))))


class Level(nn.Module):
    """The blocks of a stage, a norm, and the Downsample to the next stage (None in the last)."""

    def __init__(self, channels, blocks, last, with_cp):
        super().__init__()
        self.with_cp = with_cp
        self.blocks = nn.ModuleList(blocks)
        self.norm = LayerNorm(channels, EPS)
        self.downsample = None if last else Downsample(channels)

    def execute(self, x):
        for block in self.blocks:
            x = call(block, x, with_cp=self.with_cp)
        return self.norm(x)


@register("backbone")
class InternImage(nn.Module):
    """execute(images [B, 3, H, W]) -> tuple of the maps of the four stages, strides 4, 8, 16, 32.

    channels: of the first stage; every further stage has twice as many. depths, groups: blocks, and groups of dcn_v3, of each
    stage. The defaults are those of InternImage-T.
    mlp_ratio: hidden channels of the MLPs / channels of the map. offset_scale: see dcn_v3. layer_scale: initial value of the
    factors by which the channels of each branch are multiplied.
    drop_path_rate: stochastic depth of the last block; the rate grows linearly from 0 in the first block.
    with_cp: blocks are checkpointed: less memory in training, but a second forward pass (jsra.backbones.checkpoint).
    out_channels: (attribute) channels of each returned map.
    """

    def __init__(
        self,
        channels: int = 64,
        depths: tuple[int, int, int, int] = (4, 4, 18, 4),
        groups: tuple[int, int, int, int] = (4, 8, 16, 32),
        mlp_ratio: float = 4.0,
        offset_scale: float = 1.0,
        layer_scale: float = 1.0,
        drop_path_rate: float = 0.2,
        with_cp: bool = False,
    ):
        super().__init__()
        self.out_channels = tuple(channels * 2**i for i in range(4))
        for i, (width, count) in enumerate(zip(self.out_channels, groups)):
            if width % count:
                raise ValueError(f"InternImage: {width} channels (stage {i}) cannot be divided into {count} groups")
        self.patch_embed = Stem(channels)
        levels = []
        for i, rates in enumerate(drop_path_rates(drop_path_rate, depths)):
            width = self.out_channels[i]
            blocks = [InternImageBlock(width, groups[i], mlp_ratio, offset_scale, layer_scale, rate) for rate in rates]
            levels.append(Level(width, blocks, i == 3, with_cp))
        self.levels = nn.ModuleList(levels)

    def execute(self, images):
        x, outputs = self.patch_embed(images), []
        for level in self.levels:
            x = level(x)
            outputs.append(channels_first(x))
            if level.downsample is not None:
                x = level.downsample(x)
        return tuple(outputs)
