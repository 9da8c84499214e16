"""The neck of detectors without a pyramid: it maps every feature map to the same number of channels."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops.conv import Conv2d
from jsra.registry import register


@register("neck")
class ChannelMapper(nn.Module):
    """execute(maps [B, C_i, H_i, W_i]) -> tuple of maps [B, out_channels, H_i, W_i]: one convolution and a ReLU per map.

    in_channels: channels of each map of the backbone. kernel_size: of the convolutions, odd. Source: mmdet's ChannelMapper
    with its defaults.
    """

    def __init__(self, in_channels: tuple[int, ...], out_channels: int = 512, kernel_size: int = 3):
        super().__init__()
        self.convs = nn.ModuleList([Conv2d(c, out_channels, kernel_size, 1, kernel_size // 2) for c in in_channels])
        for conv in self.convs:
            jt.init.xavier_uniform_(conv.weight)
            jt.init.constant_(conv.bias, 0.0)

    def execute(self, maps):
        if len(maps) != len(self.convs):
            raise ValueError(f"ChannelMapper: built for {len(self.convs)} maps, got {len(maps)}")
        return tuple(nn.relu(conv(x)) for conv, x in zip(self.convs, maps))
