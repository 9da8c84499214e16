"""Pyramid Vision Transformer v2 (Wang et al. 2022, arXiv:2106.13797), B0 to B5.

Names in the state dict are the authors' (whai362/PVT): patch_embed1 to 4, block1 to 4, norm1 to 4; only the depth-wise
convolution of the MLPs is mlp.conv_weight and mlp.conv_bias. `jsra convert` reads weights of the authors and of timm.
"""

from __future__ import annotations

from jittor import nn

from jsra.backbones.checkpoint import call
from jsra.backbones.transformer import (
    DepthwiseMLP,
    DropPath,
    channels_first,
    channels_last,
    conv,
    drop_path_rates,
    linear,
)  # fmt: skip
from jsra.ops.attention import attention
from jsra.ops.layer_norm import LayerNorm
from jsra.registry import register

# For each stage: number of heads, which is also its channels / channels of the first stage; cells per side of a pooled key.
HEADS, SPATIAL_REDUCTION = (1, 2, 5, 8), (8, 4, 2, 1)
# variant: (width, blocks of each stage, hidden channels of the MLPs of each stage / channels of the map).
VARIANTS = {
    "b0": (32, (2, 2, 2, 2), (8, 8, 4, 4)),
    "b1": (64, (2, 2, 2, 2), (8, 8, 4, 4)),
    "b2": (64, (3, 4, 6, 3), (8, 8, 4, 4)),
    "b3": (64, (3, 4, 18, 3), (8, 8, 4, 4)),
    "b4": (64, (3, 8, 27, 3), (8, 8, 4, 4)),
    "b5": (64, (3, 6, 40, 3), (4, 4, 4, 4)),
}
EPS = 1e-6  # of the norms, except those of embeddings and of pooled keys (1e-5)


class OverlapPatchEmbed(nn.Module):
    """A convolution over overlapping patches: [B, C, H, W] -> [B, ceil(H / stride), ceil(W / stride), channels]."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int):
        super().__init__()
        self.proj = conv(in_channels, channels, kernel, stride, kernel // 2)
        self.norm = LayerNorm(channels)

    def execute(self, x):
        return self.norm(channels_last(self.proj(x)))


class SpatialReductionAttention(nn.Module):
    """Attention to pooled keys, one for `reduction` x `reduction` cells: [B, H, W, C] -> the same shape. Cells left over at
    the bottom and right edges have no key."""

    def __init__(self, channels: int, num_heads: int, reduction: int):
        super().__init__()
        self.num_heads, self.reduction = num_heads, reduction
        self.q, self.kv, self.proj = linear(channels, channels), linear(channels, 2 * channels), linear(channels, channels)
        if reduction > 1:
            self.sr = conv(channels, channels, reduction, reduction)
            self.norm = LayerNorm(channels)

    def execute(self, x):
        b, _, _, c = x.shape
        source = x if self.reduction == 1 else self.norm(channels_last(self.sr(channels_first(x))))
        kv = self.kv(source).reshape(b, -1, 2, self.num_heads, c // self.num_heads)
        out = attention(self.q(x).reshape(b, -1, self.num_heads, c // self.num_heads), kv[:, :, 0], kv[:, :, 1])
        return self.proj(out.reshape(x.shape))


class PVTBlock(nn.Module):
    """[B, H, W, channels] -> the same shape."""

    def __init__(self, channels, num_heads, mlp_ratio, reduction, drop_path):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(channels, EPS), LayerNorm(channels, EPS)
        self.attn = SpatialReductionAttention(channels, num_heads, reduction)
        self.mlp = DepthwiseMLP(channels, mlp_ratio * channels)
        self.drop_path = DropPath(drop_path)

    def execute(self, x):
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


@register("backbone")
class PVTv2(nn.Module):
    """execute(images [B, 3, H, W]) -> tuple of the maps of the four stages, strides 4, 8, 16, 32.

    variant: 'b0' to 'b5'. depths: blocks of each stage; width: channels of the first stage (the others have 2, 5 and 8 times
    as many); None: those of the variant.
    drop_path_rate: stochastic depth of the last block; the rate grows linearly from 0 in the first block.
    with_cp: blocks are checkpointed: less memory in training, but a second forward pass (jsra.backbones.checkpoint).
    Images must be at least 32 pixels high and wide, so that every pooled map has a cell.
    out_channels: (attribute) channels of each returned map.
    """

    def __init__(
        self,
        variant: str = "b0",
        drop_path_rate: float = 0.1,
        depths: tuple[int, int, int, int] | None = None,
        width: int | None = None,
        with_cp: bool = False,
    ):
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"PVTv2: variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        own_width, own_depths, ratios = VARIANTS[variant]
        width, depths = width or own_width, depths or own_depths
        channels = tuple(width * heads for heads in HEADS)
        rates = drop_path_rates(drop_path_rate, depths)
        for i in range(4):
            embed = OverlapPatchEmbed(channels[i - 1] if i else 3, channels[i], 3 if i else 7, 2 if i else 4)
            blocks = [PVTBlock(channels[i], HEADS[i], ratios[i], SPATIAL_REDUCTION[i], rate) for rate in rates[i]]
            setattr(self, f"patch_embed{i + 1}", embed)
            setattr(self, f"block{i + 1}", nn.ModuleList(blocks))
            setattr(self, f"norm{i + 1}", LayerNorm(channels[i], EPS))
        self.out_channels, self.with_cp = channels, with_cp

    def execute(self, images):
        if min(images.shape[2:]) < 32:
            raise ValueError(f"PVTv2: images of at least 32 x 32 pixels, got shape {list(images.shape)}")
        x, outputs = images, []
        for i in range(1, 5):
            x = getattr(self, f"patch_embed{i}")(x)
            for block in getattr(self, f"block{i}"):
                x = call(block, x, with_cp=self.with_cp)
            x = channels_first(getattr(self, f"norm{i}")(x))
            outputs.append(x)
        return tuple(outputs)
