"""ResNet (He et al. 2016) and ResNeXt (Xie et al. 2017), 'pytorch style': the stride is on the 3x3 convolution.

Names in the state dict are torchvision's, without the classifier: conv1, bn1, layer1..layer4, downsample.0, downsample.1.
"""

from __future__ import annotations

import contextlib

import jittor as jt
from jittor import nn

from jsra.backbones.norm import BatchNorm2d
from jsra.ops.conv import Conv2d
from jsra.registry import register


def _conv(in_channels, out_channels, kernel, stride=1, dilation=1, groups=1):
    conv = Conv2d(in_channels, out_channels, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)
    jt.init.relu_invariant_gauss_(conv.weight, mode="fan_out")
    return conv


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; ResNet-18 and 34."""

    expansion = 1

    def __init__(self, in_channels, planes, stride, dilation, groups, base_width, downsample, norm):
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("ResNet-18 and 34 have no grouped convolutions: use a depth of 50 or more")
        self.conv1 = _conv(in_channels, planes, 3, stride, dilation)
        self.bn1 = norm(planes)
        self.conv2 = _conv(planes, planes, 3)
        self.bn2 = norm(planes)
        self.downsample = downsample

    last_norm = property(lambda self: self.bn2)

    def execute(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = nn.relu(self.bn1(self.conv1(x)))
        return nn.relu(self.bn2(self.conv2(out)) + identity)


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided, dilated, grouped), 1x1 to four times the width; ResNet-50, 101, 152."""

    expansion = 4

    def __init__(self, in_channels, planes, stride, dilation, groups, base_width, downsample, norm):
        super().__init__()
        width = planes * base_width // 64 * groups
        self.conv1 = _conv(in_channels, width, 1)
        self.bn1 = norm(width)
        self.conv2 = _conv(width, width, 3, stride, dilation, groups)
        self.bn2 = norm(width)
        self.conv3 = _conv(width, planes * self.expansion, 1)
        self.bn3 = norm(planes * self.expansion)
        self.downsample = downsample

    last_norm = property(lambda self: self.bn3)

    def execute(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = nn.relu(self.bn1(self.conv1(x)))
        out = nn.relu(self.bn2(self.conv2(out)))
        return nn.relu(self.bn3(self.conv3(out)) + identity)


DEPTHS = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def resnet_stage(
    depth, index, in_channels, planes, stride, dilation, groups, base_width, norm, zero_init_residual
) -> nn.Sequential:
    """The blocks of stage `index` (0 to 3) of a ResNet of this `depth`; norm(channels) makes a norm."""
    block, counts = DEPTHS[depth]
    blocks, channels, out = [], in_channels, planes * block.expansion
    for position in range(counts[index]):
        step = stride if position == 0 else 1
        downsample = None
        if step != 1 or channels != out:
            downsample = nn.Sequential(_conv(channels, out, 1, step), norm(out))
        blocks.append(block(channels, planes, step, dilation, groups, base_width, downsample, norm))
        channels = out
        if zero_init_residual:
            jt.init.constant_(blocks[-1].last_norm.weight, 0.0)
    return nn.Sequential(*blocks)


@register("backbone")
class ResNet(nn.Module):
    """execute(images [B, 3, H, W]) -> tuple of the maps of the stages in out_indices, strides 4, 8, 16, 32 by default.

    depth: 18, 34, 50, 101 or 152.
    out_indices: which of the four stages are returned; stages after the last of them are not built.
    strides, dilations: of the 3x3 convolutions of each stage (dilated C5: strides 1, 2, 2, 1, dilations 1, 1, 1, 2).
    frozen_stages: 0 freezes the stem, n also the first n stages (weights and batch statistics); -1 nothing. The frozen
        part uses no memory for gradients.
    norm_eval: batch statistics are frozen everywhere; the weights of the norms are still trained.
    zero_init_residual: the weight of each block's last norm starts at 0, so that blocks start as identities.
    norm_eps: added to the variances (0 for torchvision's own COCO weights).
    groups, base_width: see `ResNeXt`.
    base_channels: channels of the stem and width of the first stage; 32 gives a network of half the width.
    out_channels: (attribute) channels of each returned map.
    """

    def __init__(
        self,
        depth: int,
        out_indices: tuple[int, ...] = (0, 1, 2, 3),
        strides: tuple[int, int, int, int] = (1, 2, 2, 2),
        dilations: tuple[int, int, int, int] = (1, 1, 1, 1),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        zero_init_residual: bool = True,
        groups: int = 1,
        base_width: int = 64,
        norm_eps: float = 1e-5,
        base_channels: int = 64,
    ):
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"ResNet: depth must be one of {', '.join(map(str, DEPTHS))}, got {depth!r}")
        block, _ = DEPTHS[depth]
        self.out_indices = tuple(out_indices)
        if not self.out_indices or not set(self.out_indices) <= {0, 1, 2, 3}:
            raise ValueError(f"ResNet: out_indices must be some of 0, 1, 2, 3, got {out_indices!r}")
        if not -1 <= frozen_stages <= 4:
            raise ValueError(f"ResNet: frozen_stages must be -1 to 4, got {frozen_stages!r}")
        self.num_stages = max(self.out_indices) + 1
        self.frozen_stages = min(frozen_stages, self.num_stages)

        self.conv1 = Conv2d(3, base_channels, 7, 2, 3, bias=False)
        jt.init.relu_invariant_gauss_(self.conv1.weight, mode="fan_out")
        self.bn1 = BatchNorm2d(base_channels, frozen=norm_eval or frozen_stages >= 0, eps=norm_eps)
        self.maxpool = nn.Pool(3, 2, 1, op="maximum")
        channels = base_channels
        for stage in range(self.num_stages):
            frozen = norm_eval or stage < self.frozen_stages

            def norm(c, frozen=frozen):
                return BatchNorm2d(c, frozen=frozen, eps=norm_eps)

            planes = base_channels * 2**stage
            layer = resnet_stage(
                depth, stage, channels, planes, strides[stage], dilations[stage], groups, base_width, norm, zero_init_residual
            )
            channels = planes * block.expansion
            setattr(self, f"layer{stage + 1}", layer)
        self.out_channels = tuple(base_channels * 2**i * block.expansion for i in self.out_indices)
        self._freeze()

    def _stages(self):
        return [getattr(self, f"layer{i + 1}") for i in range(self.num_stages)]

    def _freeze(self):
        if self.frozen_stages < 0:
            return
        for module in [self.conv1, self.bn1] + self._stages()[: self.frozen_stages]:
            for parameter in module.parameters():
                parameter.stop_grad()

    def stem(self, images):
        """images [B, 3, H, W] -> [B, base_channels, H / 4, W / 4], each halving rounded up."""
        return self.maxpool(nn.relu(self.bn1(self.conv1(images))))

    def execute(self, images):
        outputs = []
        with jt.no_grad() if self.frozen_stages >= 0 else contextlib.nullcontext():
            x = self.stem(images)
        for index, stage in enumerate(self._stages()):
            with jt.no_grad() if index < self.frozen_stages else contextlib.nullcontext():
                x = stage(x)
            if index in self.out_indices:
                outputs.append(x)
        return tuple(outputs)


@register("backbone")
class ResNeXt(ResNet):
    """ResNet with grouped 3x3 convolutions: groups=32, base_width=4 is 32x4d; 64 and 4 is 64x4d. The rest: see ResNet."""

    def __init__(self, depth: int, groups: int = 32, base_width: int = 4, **kwargs):
        super().__init__(depth, groups=groups, base_width=base_width, **kwargs)
