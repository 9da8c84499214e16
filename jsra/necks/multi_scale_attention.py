"""MS-Att of 'Attention-based Feature Aggregation' (under review at ICLR 2022), equations 5 to 7."""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.backbones.transformer import DepthwiseMLP, linear
from jsra.ops.attention import attention
from jsra.ops.layer_norm import LayerNorm
from jsra.ops.resample import adaptive_average_pool, average_pool

POOLINGS = ("multi_scale", "single_scale", "adaptive")


class MultiScaleAttention(nn.Module):
    """Attention of every position of one map to the pooled positions of another, then a depth-wise MLP.

        K, V = Linear(pool(norm(source))), Q = Linear(norm(query))                   (5)
        Att = softmax(Q K^T / sqrt(d_k)) V, for each head, heads concatenated        (6)
        out = query + DW-MLP(query + Att)                                            (7)

    query, source: [B, H, W, channels], channels last -> [B, H, W, channels]. In self-attention (cross=False) the source is
    the query itself, and they share one norm.

    stride: of the pooling, in cells. pooling: 'multi_scale' (average pooling by `stride` and by stride / 2; the positions of
        both are concatenated), 'single_scale' (by `stride`), 'adaptive' (to pool_size x pool_size positions). Windows at the
        edge average only the cells inside the map.
    expansion: hidden channels of the MLP / channels of the map.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        cross: bool,
        num_heads: int = 4,
        expansion: int = 2,
        pooling: str = "multi_scale",
        pool_size: int = 7,
    ):
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        if channels % num_heads:
            raise ValueError(f"num_heads: {channels} channels cannot be divided into {num_heads} heads")
        if pooling == "multi_scale" and stride % 2:
            raise ValueError(f"strides: multi-scale pooling halves them, so each must be even, got {stride}")
        self.num_heads, self.pooling, self.pool_size = num_heads, pooling, pool_size
        self.strides = (stride, stride // 2) if pooling == "multi_scale" else (stride,)
        self.norm = LayerNorm(channels)
        self.norm_source = LayerNorm(channels) if cross else None
        self.q, self.k, self.v = (linear(channels, channels) for _ in range(3))
        self.mlp = DepthwiseMLP(channels, expansion * channels)

    def pool(self, x):
        """The pooled positions, from which keys and values are computed: [B, H, W, channels] -> [B, M, channels]."""
        if self.pooling == "adaptive":
            pooled = [adaptive_average_pool(x, self.pool_size)]
        else:
            pooled = [average_pool(x, stride) for stride in self.strides]
        flat = [p.reshape(p.shape[0], p.shape[1] * p.shape[2], p.shape[3]) for p in pooled]
        return flat[0] if len(flat) == 1 else jt.concat(flat, 1)

    def num_keys(self, height, width):
        """How many positions `pool` makes from a map of this size."""
        if self.pooling == "adaptive":
            return self.pool_size**2
        return sum(math.ceil(height / stride) * math.ceil(width / stride) for stride in self.strides)

    def _heads(self, x):
        return x.reshape(x.shape[0], -1, self.num_heads, x.shape[-1] // self.num_heads)

    def execute(self, query, source=None):
        normal = self.norm(query)
        pooled = self.pool(normal if self.norm_source is None else self.norm_source(source))
        attended = attention(*(self._heads(x) for x in (self.q(normal), self.k(pooled), self.v(pooled))))
        return query + self.mlp(query + attended.reshape(query.shape))
