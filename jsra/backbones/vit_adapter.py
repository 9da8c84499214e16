"""ViT-Adapter (Chen et al. 2023, arXiv:2205.08534): a plain Vision Transformer with an adapter that makes maps for detectors.

A small convolutional network gives tokens at strides 8, 16 and 32. Before each group of transformer blocks, an injector adds
information from the tokens to the transformer's map; after the group, an extractor adds information from the map to the
tokens. Both use deformable attention.

Names in the state dict are the authors' (czczup/ViT-Adapter); only the depth-wise convolutions of the feed-forward layers
are ffn.conv_weight and ffn.conv_bias. `jsra convert` reads the authors' detectors, and DeiT.

Shape letters: B images; the transformer's map has H x W positions with C channels. Tokens: [B, S, C], the cells of the maps
of strides 8, 16 and 32, row by row, one map after the other; S = 4 H W + H W + H W / 4.
"""

from __future__ import annotations

import functools
import math

import jittor as jt
import numpy as np
from jittor import nn

from jsra.backbones.checkpoint import call
from jsra.backbones.norm import BatchNorm2d
from jsra.backbones.transformer import (
    DepthwiseMLP,
    DropPath,
    channels_first,
    channels_last,
    conv,
    drop_path_rates,
    linear,
    pad_to_multiple,
)  # fmt: skip
from jsra.backbones.vit import EPS, ViTBlock
from jsra.ops.conv import Conv2d
from jsra.ops.conv_transpose import ConvTranspose2d
from jsra.ops.layer_norm import LayerNorm
from jsra.ops.ms_deform_attn import ms_deform_attn
from jsra.ops.permute import permute
from jsra.ops.resample import upsample_bicubic, upsample_bilinear
from jsra.registry import register

PATCH, COARSEST = 16, 32  # strides in image pixels: of the transformer's map and of the coarsest map


class DeformAttention(nn.Module):
    """Each query samples points of the maps around its own position: queries [B, Q, C], maps [B, S, C] -> [B, Q, C].

    levels: number of maps. points: sampling points per head and map. ratio: channels of the values / channels of the map.
    """

    def __init__(self, channels: int, heads: int, levels: int, points: int, ratio: float):
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.sampling_offsets = linear(channels, heads * levels * points * 2)
        self.attention_weights = linear(channels, heads * levels * points)
        self.value_proj = linear(channels, int(channels * ratio))
        self.output_proj = linear(int(channels * ratio), channels)
        jt.init.constant_(self.sampling_offsets.weight, 0.0)
        jt.init.constant_(self.attention_weights.weight, 0.0)
        self.sampling_offsets.bias.update(jt.array(_first_offsets(heads, levels, points)))
        jt.init.xavier_uniform_(self.value_proj.weight)
        jt.init.xavier_uniform_(self.output_proj.weight)

    def execute(self, query, value, query_sizes, sizes):
        """query [B, Q, C], value [B, S, C] -> [B, Q, C]. query_sizes, sizes: the (height, width) of each map of the queries
        and of the values."""
        batch, count, _ = query.shape
        shape = batch, count, self.heads, self.levels, self.points
        places, cells = (jt.array(array).stop_grad().cast(str(query.dtype)) for array in _places(query_sizes, sizes))
        locations = places + self.sampling_offsets(query).reshape(*shape, 2) * cells
        weights = nn.softmax(self.attention_weights(query).reshape(*shape[:3], -1), -1).reshape(shape)
        value = self.value_proj(value)
        value = value.reshape(batch, value.shape[1], self.heads, value.shape[2] // self.heads)
        return self.output_proj(ms_deform_attn(value, locations, weights, sizes).reshape(batch, count, -1))


def _first_offsets(heads, levels, points):
    """float32 [heads * levels * points * 2]: point i is i + 1 cells away from the query, in another direction per head."""
    angles = np.arange(heads) * (2 * math.pi / heads)
    directions = np.stack([np.cos(angles), np.sin(angles)], -1)
    directions /= np.abs(directions).max(-1, keepdims=True)
    steps = np.arange(1, points + 1)[None, None, :, None]
    return np.broadcast_to(directions[:, None, None] * steps, (heads, levels, points, 2)).astype(np.float32).ravel()


@functools.lru_cache(64)
def _places(query_sizes, sizes):
    """x, y of the centres of the queries' cells, float32 [1, Q, 1, 1, 1, 2], and the width and height of a cell on each of
    the L maps, [1, 1, 1, L, 1, 2]; both as fractions (0 to 1) of the map."""
    grids = [np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h) for h, w in query_sizes]
    places = np.concatenate([np.stack(grid, -1).reshape(-1, 2) for grid in grids])[None, :, None, None, None]
    cells = np.array([[1 / w, 1 / h] for h, w in sizes])[None, None, None, :, None]
    return places.astype(np.float32), cells.astype(np.float32)


class Injector(nn.Module):
    """x [B, H * W, C] plus its attention to the tokens, multiplied by one factor per channel."""

    def __init__(self, channels, heads, points, ratio, init_value):
        super().__init__()
        self.query_norm, self.feat_norm = LayerNorm(channels, EPS), LayerNorm(channels, EPS)
        self.attn = DeformAttention(channels, heads, 3, points, ratio)
        self.gamma = jt.ones((channels,)) * init_value

    def execute(self, x, tokens, sizes):
        return x + self.attn(self.query_norm(x), self.feat_norm(tokens), sizes[1:2], sizes) * self.gamma


class TokenMLP(DepthwiseMLP):
    """A DepthwiseMLP on tokens; the three maps share one convolution: [B, S, C] -> the same shape."""

    def execute(self, tokens, sizes):
        x = self.fc1(tokens)
        maps = [self.convolved(m) for m in _split(x, sizes)]
        return self.fc2(jt.concat([m.reshape(m.shape[0], -1, m.shape[-1]) for m in maps], 1))


class Extractor(nn.Module):
    """Tokens [B, S, C] plus their attention to x [B, H * W, C], then an MLP -> tokens."""

    def __init__(self, channels, heads, points, ratio, ffn_ratio, drop_path):
        super().__init__()
        self.query_norm, self.feat_norm = LayerNorm(channels, EPS), LayerNorm(channels, EPS)
        self.attn = DeformAttention(channels, heads, 1, points, ratio)
        self.ffn_norm = LayerNorm(channels, EPS)
        self.ffn = TokenMLP(channels, int(channels * ffn_ratio))
        self.drop_path = DropPath(drop_path)

    def execute(self, tokens, x, sizes):
        tokens = tokens + self.attn(self.query_norm(tokens), self.feat_norm(x), sizes, sizes[1:2])
        return tokens + self.drop_path(self.ffn(self.ffn_norm(tokens), sizes))


class Interaction(nn.Module):
    """An injector, a group of transformer blocks, and an extractor; in the last group, two more extractors."""

    def __init__(self, channels, heads, points, ratio, ffn_ratio, init_value, drop_path, last, with_cp):
        super().__init__()
        self.with_cp = with_cp
        self.injector = Injector(channels, heads, points, ratio, init_value)
        extractors = [Extractor(channels, heads, points, ratio, ffn_ratio, drop_path) for _ in range(3 if last else 1)]
        self.extractor, self.extra_extractors = extractors[0], nn.ModuleList(extractors[1:]) if last else []

    def call(self, part, *inputs):
        return call(part, *inputs, with_cp=self.with_cp)

    def execute(self, x, tokens, blocks, sizes):
        """x [B, H, W, C], tokens -> the same shapes."""
        shape = x.shape
        x = self.call(self.injector, x.reshape(shape[0], -1, shape[-1]), tokens, sizes).reshape(shape)
        for block in blocks:
            x = self.call(block, x)
        flat = x.reshape(shape[0], -1, shape[-1])
        for extractor in (self.extractor, *self.extra_extractors):
            tokens = self.call(extractor, tokens, flat, sizes)
        return x, tokens


class SpatialPriorModule(nn.Module):
    """The small convolutional network: [B, 3, 32 h, 32 w] -> maps of strides 4, 8, 16 and 32, [B, channels, ...]."""

    def __init__(self, inner: int, channels: int):
        super().__init__()

        def layers(inputs, outputs, stride):
            return [conv(inputs, outputs, 3, stride, 1, bias=False), BatchNorm2d(outputs), nn.ReLU()]

        stem = [*layers(3, inner, 2), *layers(inner, inner, 1), *layers(inner, inner, 1)]
        self.stem = nn.Sequential(*stem, nn.Pool(3, 2, 1, op="maximum"))
        widths = inner, 2 * inner, 4 * inner, 4 * inner
        for i in range(2, 5):
            setattr(self, f"conv{i}", nn.Sequential(*layers(widths[i - 2], widths[i - 1], 2)))
        for i, width in enumerate(widths, 1):
            setattr(self, f"fc{i}", conv(width, channels, 1))

    def execute(self, images):
        x, maps = images, []
        for i, layer in enumerate((self.stem, self.conv2, self.conv3, self.conv4), 1):
            x = layer(x)
            maps.append(getattr(self, f"fc{i}")(x))
        return maps


class PatchEmbed(nn.Module):
    """[B, 3, 16 H, 16 W] -> [B, H, W, channels]."""

    def __init__(self, channels: int):
        super().__init__()
        self.proj = Conv2d(3, channels, PATCH, PATCH)

    def execute(self, images):
        return channels_last(self.proj(images))


def _flat(maps):
    """A list of maps [B, C, h, w] -> tokens [B, S, C]."""
    return jt.concat([permute(m.reshape(*m.shape[:2], -1), 0, 2, 1) for m in maps], 1)


def _split(tokens, sizes):
    """Tokens [B, S, C] -> a list of maps [B, h, w, C], one for each size."""
    ends = np.cumsum([h * w for h, w in sizes])
    return [tokens[:, end - h * w : end].reshape(tokens.shape[0], h, w, -1) for end, (h, w) in zip(ends.tolist(), sizes)]


@register("backbone")
class ViTAdapter(nn.Module):
    """execute(images [B, 3, H, W]) -> tuple of maps of strides 4, 8, 16, 32, each of `embed_dim` channels.

    embed_dim, depth, num_heads, mlp_ratio: of the transformer. The defaults are ViT-Adapter-T, based on DeiT-T.
    window_blocks: blocks with attention within windows of window_size x window_size positions; the others have global
    attention.
    layer_scale: the branches of the blocks are multiplied by one factor per channel.
    drop_path_rate: stochastic depth of the last block and of all extractors; the blocks' rates grow linearly from 0.
    pretrain_size: image size in pixels for which the table of positions was made; the table is resized to the map (bicubic).
    conv_inplane: channels of the convolutional network's first map. deform_num_heads, n_points, deform_ratio: of the
    deformable attention: heads, sampling points per head and map, channels of its values / channels of the map.
    interaction_indexes: the first and the last block of each group. cffn_ratio: hidden channels of the extractors' MLPs /
    channels of the map. init_value: initial value of the factors by which injectors multiply.
    with_cp: blocks, injectors and extractors are checkpointed: less memory, two forward passes (jsra.backbones.checkpoint).
    Images are padded with zeros to multiples of 32, and the maps are cropped to ceil(H / stride) x ceil(W / stride).
    out_channels: (attribute) channels of each returned map.
    """

    def __init__(
        self,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        mlp_ratio: float = 4.0,
        window_blocks: tuple[int, ...] = (0, 1, 3, 4, 6, 7, 9, 10),
        window_size: int = 14,
        layer_scale: bool = False,
        drop_path_rate: float = 0.1,
        pretrain_size: int = 224,
        conv_inplane: int = 64,
        deform_num_heads: int = 6,
        n_points: int = 4,
        deform_ratio: float = 1.0,
        interaction_indexes: tuple[tuple[int, int], ...] = ((0, 2), (3, 5), (6, 8), (9, 11)),
        cffn_ratio: float = 0.25,
        init_value: float = 0.0,
        with_cp: bool = False,
    ):
        super().__init__()
        for name, heads, channels in (
            ("num_heads", num_heads, embed_dim),
            ("deform_num_heads", deform_num_heads, embed_dim),
            ("deform_num_heads", deform_num_heads, int(embed_dim * deform_ratio)),
        ):
            if channels % heads:
                raise ValueError(f"ViTAdapter: {channels} channels cannot be divided into {name}={heads}")
        if [i for first, last in interaction_indexes for i in range(first, last + 1)] != list(range(depth)):
            raise ValueError(
                f"ViTAdapter: interaction_indexes must be groups of all {depth} blocks in their order, got "
                f"{interaction_indexes}"
            )
        if not set(window_blocks) <= set(range(depth)):
            raise ValueError(f"ViTAdapter: window_blocks must be some of 0 to {depth - 1}, got {window_blocks}")
        if pretrain_size % PATCH:
            raise ValueError(f"ViTAdapter: pretrain_size must be a multiple of {PATCH}, got {pretrain_size}")
        self.table_side = pretrain_size // PATCH
        self.interaction_indexes = tuple(tuple(pair) for pair in interaction_indexes)
        self.patch_embed = PatchEmbed(embed_dim)
        self.pos_embed = jt.zeros((1, 1 + self.table_side**2, embed_dim))  # the first row (class token) is not used
        jt.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(
            [
                ViTBlock(embed_dim, num_heads, mlp_ratio, window_size if i in window_blocks else None, layer_scale, rate)
                for i, rate in enumerate(drop_path_rates(drop_path_rate, (depth,))[0])
            ]
        )
        self.level_embed = jt.init.gauss((3, embed_dim), "float32", 0.0, 1.0)
        self.spm = SpatialPriorModule(conv_inplane, embed_dim)
        settings = embed_dim, deform_num_heads, n_points, deform_ratio, cffn_ratio, init_value, drop_path_rate
        groups = len(self.interaction_indexes)
        self.interactions = nn.ModuleList([Interaction(*settings, i == groups - 1, with_cp) for i in range(groups)])
        self.up = ConvTranspose2d(embed_dim, embed_dim, 2, 2)
        jt.init.gauss_(self.up.weight, 0.0, math.sqrt(2 / (4 * embed_dim)))
        jt.init.constant_(self.up.bias, 0.0)
        for i in range(1, 5):
            setattr(self, f"norm{i}", BatchNorm2d(embed_dim))
        self.out_channels = (embed_dim,) * 4

    def positions(self, size):
        """The table of positions, resized to `size` (height, width): [1, *size, C]."""
        side = self.table_side
        return upsample_bicubic(self.pos_embed[:, 1:].reshape(1, side, side, -1), size)

    def execute(self, images):
        sides = images.shape[2:]
        images = pad_to_multiple(images, COARSEST, (2, 3))
        c1, *coarser = self.spm(images)
        sizes = tuple(tuple(m.shape[2:]) for m in coarser)
        embedding = self.level_embed.reshape(3, 1, -1, 1, 1)
        tokens = _flat([m + embedding[i].broadcast(m, ()) for i, m in enumerate(coarser)])
        x = self.patch_embed(images)
        x = x + self.positions(sizes[1]).broadcast(x, ())
        for interaction, (first, last) in zip(self.interactions, self.interaction_indexes):
            x, tokens = interaction(x, tokens, [self.blocks[i] for i in range(first, last + 1)], sizes)
        c2, c3, c4 = (channels_first(m) for m in _split(tokens, sizes))
        outputs = []
        for i, m in enumerate((self.up(c2) + c1, c2, c3, c4)):
            m = m + channels_first(upsample_bilinear(x, m.shape[2:]))
            rows, columns = (-(-n // (4 * 2**i)) for n in sides)
            m = getattr(self, f"norm{i + 1}")(m)
            outputs.append(m if [rows, columns] == list(m.shape[2:]) else m[:, :, :rows, :columns])
        return tuple(outputs)
