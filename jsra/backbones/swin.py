"""Swin Transformer (Liu et al. 2021, arXiv:2103.14030), as detectors use it: any image size, a norm for each output.

Names in the state dict are the authors' (microsoft/Swin-Transformer): patch_embed, layers.0.blocks.0.attn.qkv,
layers.0.downsample.reduction, and norm0 to norm3 for the outputs. Zeros are padded at the right and the bottom: to the image
up to a multiple of the patch size, to the maps up to a multiple of the window size (after the norm) and of 2 (merging).

Shape letters: B images; maps of H x W positions with C channels; windows of n = w x w positions; h heads.
"""

from __future__ import annotations

import functools

import jittor as jt
import numpy as np
from jittor import nn

from jsra.backbones.checkpoint import call
from jsra.backbones.transformer import (
    MLP,
    DropPath,
    channels_first,
    channels_last,
    drop_path_rates,
    from_windows,
    linear,
    pad_to_multiple,
    to_windows,
)  # fmt: skip
from jsra.ops.attention import attention
from jsra.ops.conv import Conv2d
from jsra.ops.layer_norm import LayerNorm
from jsra.ops.linear import linear as product
from jsra.ops.permute import permute
from jsra.registry import register


class WindowAttention(nn.Module):
    """Attention among the n positions of a window, with a bias for each relative position: [B, n, C] -> the same shape."""

    def __init__(self, channels: int, num_heads: int, window: int):
        super().__init__()
        self.num_heads, self.window = num_heads, window
        self.relative_position_bias_table = jt.zeros(((2 * window - 1) ** 2, num_heads))
        jt.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv, self.proj = linear(channels, 3 * channels), linear(channels, channels)

    def bias(self):
        """[h, n, n]. The table is read by a product with a 0/1 matrix: the gradient is also a product, thus deterministic."""
        n = self.window**2
        chosen = jt.array(_table_rows(self.window)).stop_grad()
        return product(permute(self.relative_position_bias_table, 1, 0), chosen).reshape(self.num_heads, n, n)

    def execute(self, x, mask=None):
        batch, n, channels = x.shape
        qkv = self.qkv(x).reshape(batch, n, 3, self.num_heads, channels // self.num_heads)
        out = attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], self.bias(), mask)
        return self.proj(out.reshape(batch, n, channels))


@functools.lru_cache(8)
def _table_rows(window):
    """float32 [n * n, (2w - 1)^2] with a single 1 per row: the column is the table row of the offset from key to query."""
    place = np.stack(np.meshgrid(np.arange(window), np.arange(window), indexing="ij"), -1).reshape(-1, 2)
    apart = place[:, None] - place[None] + window - 1
    return np.eye((2 * window - 1) ** 2, dtype=np.float32)[(apart[..., 0] * (2 * window - 1) + apart[..., 1]).ravel()]


@functools.lru_cache(64)
def _shift_mask(height, width, window, shift):
    """float32 [windows, n, n]: -100 between positions that only the shift has brought into the same window, else 0."""
    rows, columns = (np.searchsorted([size - window, size - shift], np.arange(size), "right") for size in (height, width))
    region = (rows[:, None] * 3 + columns).reshape(height // window, window, width // window, window)
    region = region.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return np.where(region[:, :, None] == region[:, None], 0, -100).astype(np.float32)


def roll(x, shift):
    """[B, H, W, C] rotated up and left by `shift` positions (down and right if negative), as by numpy.roll with -shift."""
    for axis in (1, 2):
        at = shift % x.shape[axis]
        parts = (x[:, at:], x[:, :at]) if axis == 1 else (x[:, :, at:], x[:, :, :at])
        x = jt.concat(parts, axis) if at else x
    return x


class SwinBlock(nn.Module):
    """Attention within windows, shifted by half a window in every second block, then an MLP: [B, H, W, C] -> the same."""

    def __init__(self, channels, num_heads, window, shift, mlp_ratio, drop_path):
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = LayerNorm(channels)
        self.attn = WindowAttention(channels, num_heads, window)
        self.norm2 = LayerNorm(channels)
        self.mlp = MLP(channels, int(mlp_ratio * channels))
        self.drop_path = DropPath(drop_path)

    def execute(self, x):
        x = x + self.drop_path(self.attended(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def attended(self, x):
        height, width = x.shape[1:3]
        x = pad_to_multiple(x, self.window, (1, 2))
        padded, mask = x.shape[1:3], None
        if self.shift:
            x = roll(x, self.shift)
            mask = jt.array(_shift_mask(*padded, self.window, self.shift)).stop_grad()
        x = from_windows(self.attn(to_windows(x, self.window), mask), self.window, *padded)
        if self.shift:
            x = roll(x, -self.shift)
        return x if (height, width) == tuple(padded) else x[:, :height, :width]


class PatchMerging(nn.Module):
    """[B, H, W, C] -> [B, ceil(H / 2), ceil(W / 2), 2 C]: the four positions of each 2 x 2, in the order (0, 0), (1, 0),
    (0, 1), (1, 1) of (row, column), are concatenated, normalised and projected."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = LayerNorm(4 * channels)
        self.reduction = linear(4 * channels, 2 * channels, bias=False)

    def execute(self, x):
        x = pad_to_multiple(x, 2, (1, 2))
        b, h, w, c = x.shape
        x = permute(x.reshape(b, h // 2, 2, w // 2, 2, c), 0, 1, 3, 4, 2, 5)
        return self.reduction(self.norm(x.reshape(b, h // 2, w // 2, 4 * c)))


class PatchEmbed(nn.Module):
    """[B, 3, H, W] -> [B, ceil(H / 4), ceil(W / 4), channels]."""

    SIZE = 4

    def __init__(self, channels: int):
        super().__init__()
        self.proj = Conv2d(3, channels, self.SIZE, self.SIZE)
        self.norm = LayerNorm(channels)

    def execute(self, images):
        return self.norm(channels_last(self.proj(pad_to_multiple(images, self.SIZE, (2, 3)))))


class SwinStage(nn.Module):
    """Blocks, every second one shifted, then PatchMerging (None in the last stage)."""

    def __init__(self, channels, depth, num_heads, window, mlp_ratio, rates, merges, with_cp):
        super().__init__()
        self.with_cp = with_cp
        self.blocks = nn.ModuleList(
            [SwinBlock(channels, num_heads, window, i % 2 * (window // 2), mlp_ratio, rates[i]) for i in range(depth)]
        )
        self.downsample = PatchMerging(channels) if merges else None

    def execute(self, x):
        for block in self.blocks:
            x = call(block, x, with_cp=self.with_cp)
        return x


@register("backbone")
class SwinTransformer(nn.Module):
    """execute(images [B, 3, H, W]) -> tuple of the maps of the stages in out_indices, strides 4, 8, 16, 32.

    embed_dims: channels of the first stage; every further stage has twice as many. depths, num_heads: blocks and heads of
    each stage. The defaults are Swin-T. Swin-S: depths 2, 2, 18, 2; Swin-B: the depths of Swin-S, embed_dims 128, num_heads
    4, 8, 16, 32.
    window_size: positions per side of a window. mlp_ratio: hidden channels of the MLPs / channels of the map.
    drop_path_rate: stochastic depth of the last block; the rate grows linearly from 0 in the first block.
    with_cp: blocks are checkpointed: less memory in training, but a second forward pass (jsra.backbones.checkpoint).
    out_channels: (attribute) channels of each returned map.
    """

    def __init__(
        self,
        embed_dims: int = 96,
        depths: tuple[int, int, int, int] = (2, 2, 6, 2),
        num_heads: tuple[int, int, int, int] = (3, 6, 12, 24),
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.2,
        out_indices: tuple[int, ...] = (0, 1, 2, 3),
        with_cp: bool = False,
    ):
        super().__init__()
        if not out_indices or not set(out_indices) <= {0, 1, 2, 3}:
            raise ValueError(f"SwinTransformer: out_indices must be some of 0, 1, 2, 3, got {out_indices!r}")
        for stage, heads in enumerate(num_heads):
            channels = embed_dims * 2**stage
            if channels % heads:
                raise ValueError(f"SwinTransformer: {channels} channels (stage {stage}) cannot be divided into {heads} heads")
        self.out_indices = tuple(out_indices)
        last = max(self.out_indices)
        rates = drop_path_rates(drop_path_rate, depths)
        self.patch_embed = PatchEmbed(embed_dims)
        self.layers = nn.ModuleList(
            [
                SwinStage(embed_dims * 2**i, depths[i], num_heads[i], window_size, mlp_ratio, rates[i], i < last, with_cp)
                for i in range(last + 1)
            ]
        )
        self.out_channels = tuple(embed_dims * 2**i for i in self.out_indices)
        for i, channels in zip(self.out_indices, self.out_channels):
            setattr(self, f"norm{i}", LayerNorm(channels))

    def execute(self, images):
        x, outputs = self.patch_embed(images), []
        for i, stage in enumerate(self.layers):
            x = stage(x)
            if i in self.out_indices:
                outputs.append(channels_first(getattr(self, f"norm{i}")(x)))
            if stage.downsample is not None:
                x = stage.downsample(x)
        return tuple(outputs)
