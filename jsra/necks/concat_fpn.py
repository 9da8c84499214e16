"""'Concat.', a baseline of MSSA and MSCA: a feature pyramid that aggregates by concatenation."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.necks.fpn import FPN, xavier_conv
from jsra.ops.upsample import upsample_nearest
from jsra.registry import register


@register("neck")
class ConcatFPN(FPN):
    """FPN with P_i = conv([F_i, Up(P_(i + 1))]), a 1x1 convolution of both maps, instead of their sum; execute: as FPN.

    The paper says only that concatenation replaces the sum. Assumed here: the convolution, which reduces the channels to
    out_channels again, and FPN's nearest upsampling. Arguments: see FPN.
    """

    def __init__(self, in_channels: tuple[int, ...], out_channels: int = 256, num_outs: int = 5, start_level: int = 0):
        super().__init__(in_channels, out_channels, num_outs, start_level)
        count = len(self.lateral_convs) - 1
        self.concat_convs = nn.ModuleList([xavier_conv(2 * out_channels, out_channels, 1) for _ in range(count)])

    def laterals(self, maps):
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, maps)]
        for i in reversed(range(len(laterals) - 1)):
            above = upsample_nearest(laterals[i + 1], laterals[i].shape[2:])
            laterals[i] = self.concat_convs[i](jt.concat([laterals[i], above], 1))
        return laterals
