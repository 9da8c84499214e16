"""The maps of a detector without a pyramid: conv4 for the proposals, conv5 with fewer channels for the second stage."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops.conv import Conv2d
from jsra.registry import register


@register("neck")
class ReducedC5(nn.Module):
    """execute((C4, C5)) -> (C5 after a 1x1 convolution to out_channels, C4). in_channels: channels of C4 and C5.

    Source: Gu et al. 2018 (arXiv:1803.07066), section 4; C5 is dilated there, at the stride of C4.
    """

    def __init__(self, in_channels: tuple[int, int] = (1024, 2048), out_channels: int = 256):
        super().__init__()
        self.conv = Conv2d(in_channels[1], out_channels, 1)
        jt.init.gauss_(self.conv.weight, 0.0, 0.01)
        jt.init.constant_(self.conv.bias, 0.0)

    def execute(self, maps):
        c4, c5 = maps
        return self.conv(c5), c4
