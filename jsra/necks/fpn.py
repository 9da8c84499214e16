"""Feature Pyramid Network (Lin et al. 2017)."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops.conv import Conv2d
from jsra.ops.upsample import upsample_nearest
from jsra.registry import register

EXTRA = ("pool", "on_input", "on_lateral", "on_output")


def xavier_conv(in_channels, out_channels, kernel, stride=1):
    """A Conv2d with padding kernel // 2, Xavier-initialised weights and bias 0, as in mmdet's FPN."""
    conv = Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    jt.init.xavier_uniform_(conv.weight)
    jt.init.constant_(conv.bias, 0.0)
    return conv


@register("neck")
class FPN(nn.Module):
    """execute(maps, finest first) -> tuple of num_outs maps with out_channels channels.

    in_channels: channels of each map of the backbone. start_level: the first map that is used. num_outs: if less than the
        number of maps used, only the finest outputs are made; the coarser maps still take part in the top-down path.
    extra: how levels beyond the backbone's are made: 'pool' (every second position of the last output, Faster R-CNN's P6), or
        3x3 stride-2 convolutions on the backbone's last map ('on_input'), its lateral ('on_lateral') or the last output
        ('on_output'); each further one reads the previous one. relu_before_extra: ReLU between those convolutions.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        out_channels: int = 256,
        num_outs: int = 5,
        start_level: int = 0,
        extra: str = "pool",
        relu_before_extra: bool = False,
    ):
        super().__init__()
        if extra not in EXTRA:
            raise ValueError(f"FPN: extra must be one of {', '.join(EXTRA)}, got {extra!r}")
        used = list(in_channels)[start_level:]
        if not used or num_outs < 1:
            raise ValueError(f"FPN: {len(used)} maps from level {start_level} on, but num_outs is {num_outs}")
        self.in_channels = tuple(in_channels)
        self.num_outs = num_outs
        self.start_level = start_level
        self.extra = extra
        self.relu_before_extra = relu_before_extra
        self.lateral_convs = nn.ModuleList([xavier_conv(c, out_channels, 1) for c in used])
        self.fpn_convs = nn.ModuleList([xavier_conv(out_channels, out_channels, 3) for _ in used[:num_outs]])
        self.num_extra = max(0, num_outs - len(used))
        if extra != "pool":
            for i in range(self.num_extra):
                channels = in_channels[-1] if i == 0 and extra == "on_input" else out_channels
                self.fpn_convs.append(xavier_conv(channels, out_channels, 3, stride=2))

    def execute(self, maps):
        if len(maps) != len(self.in_channels):
            raise ValueError(f"FPN: built for {len(self.in_channels)} maps, got {len(maps)}")
        laterals = self.laterals(maps[self.start_level :])
        outputs = [conv(x) for conv, x in zip(self.fpn_convs, laterals)]
        source = {"on_input": maps[-1], "on_lateral": laterals[-1]}.get(self.extra, outputs[-1])
        for i in range(self.num_extra):
            if self.extra == "pool":
                source = source[:, :, ::2, ::2]
            else:
                if i and self.relu_before_extra:
                    source = nn.relu(source)
                source = self.fpn_convs[len(laterals) + i](source)
            outputs.append(source)
        return tuple(outputs)

    def laterals(self, maps):
        """The top-down path: the 1x1 convolution of each map, plus the next coarser lateral, upsampled (nearest)."""
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, maps)]
        for i in reversed(range(len(laterals) - 1)):
            laterals[i] = laterals[i] + upsample_nearest(laterals[i + 1], laterals[i].shape[2:])
        return laterals
