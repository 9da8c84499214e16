"""Blocks of the plain Vision Transformer (Dosovitskiy et al. 2021, arXiv:2010.11929), with global or window attention.

Names in the state dict are timm's and DeiT's: norm1, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2.
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.backbones.transformer import (
    MLP,
    DropPath,
    from_windows,
    linear,
    pad_to_multiple,
    to_windows,
)  # fmt: skip
from jsra.ops.attention import attention
from jsra.ops.layer_norm import LayerNorm

EPS = 1e-6  # of all norms


class ViTAttention(nn.Module):
    """Attention among all positions of a map, or within each window: [B, H, W, channels] -> the same shape.

    window: positions per side of a window; None: all positions. A map whose sides are not multiples of it is padded with zero
    queries, keys and values. As in ViT-Adapter they are not masked: each padded key has logit 0.
    """

    def __init__(self, channels: int, num_heads: int, window: int | None):
        super().__init__()
        self.num_heads, self.window = num_heads, window
        self.qkv, self.proj = linear(channels, 3 * channels), linear(channels, channels)

    def execute(self, x):
        batch, height, width, channels = x.shape
        qkv = self.qkv(x)
        if self.window is None:
            return self.proj(self.attended(qkv.reshape(batch, height * width, 3 * channels)).reshape(x.shape))
        qkv = pad_to_multiple(qkv, self.window, (1, 2))
        padded = qkv.shape[1:3]
        x = from_windows(self.attended(to_windows(qkv, self.window)), self.window, *padded)
        return self.proj(x if (height, width) == tuple(padded) else x[:, :height, :width])

    def attended(self, qkv):
        """[B, N, 3 C] -> [B, N, C]."""
        batch, n, channels = qkv.shape
        qkv = qkv.reshape(batch, n, 3, self.num_heads, channels // 3 // self.num_heads)
        return attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]).reshape(batch, n, channels // 3)


class ViTBlock(nn.Module):
    """Attention, then an MLP: [B, H, W, channels] -> the same shape.

    window: see ViTAttention. layer_scale: each branch is multiplied by one factor per channel, initially 1.
    """

    def __init__(self, channels, num_heads, mlp_ratio, window, layer_scale, drop_path):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(channels, EPS), LayerNorm(channels, EPS)
        self.attn = ViTAttention(channels, num_heads, window)
        self.mlp = MLP(channels, int(mlp_ratio * channels))
        self.layer_scale = layer_scale
        if layer_scale:
            self.gamma1, self.gamma2 = jt.ones((channels,)), jt.ones((channels,))
        self.drop_path = DropPath(drop_path)

    def execute(self, x):
        attended = self.attn(self.norm1(x))
        x = x + self.drop_path(attended * self.gamma1 if self.layer_scale else attended)
        made = self.mlp(self.norm2(x))
        return x + self.drop_path(made * self.gamma2 if self.layer_scale else made)
