"""FlowNetS, 'FlowNet simple' (Dosovitskiy et al. 2015): the optical flow between two images, from convolutions only.

Names in the state dict are those of mmtracking's FlowNetSimple without '.conv'; `jsra convert` reads its files.
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops.conv import Conv2d
from jsra.ops.conv_transpose import ConvTranspose2d
from jsra.registry import register

# For the stages conv1 to conv6: channels in units of base_channels, kernel, kernel of a second convolution (0: none).
STAGES = ((1, 7, 0), (2, 5, 0), (4, 5, 3), (8, 3, 3), (8, 3, 3), (16, 3, 3))


@register("motion")
class FlowNetS(nn.Module):
    """execute(first, second, sizes) -> flow [N, 2, h, w] from the first images to the second, in pixels of these images.

    first, second: [N, 3, H, W], normalised by Normalize(mean, std). sizes: [N, 2], (width, height) of each without padding.
    A cell of the flow is 8 x 8 pixels at scale 0.5. Plane 0 is along x: the pixel (x, y) of `first` is seen in `second` at
    (x + flow[0], y + flow[1]).

    mean, std: those of the Normalize that made the images. scale: by which images are resized for the network. flow_scale:
    factor of its outputs. base_channels: channels of the first stage; 64 is the published network with 38.7 M weights, which
    needs pretrained weights (docs/video.md); narrower networks start with zero flow.
    """

    MEAN = (0.411, 0.432, 0.450)  # the published weights were trained with pixel / 255 - MEAN

    def __init__(
        self,
        mean: tuple[float, float, float] = (123.675, 116.28, 103.53),
        std: tuple[float, float, float] = (58.395, 57.12, 57.375),
        scale: float = 0.5,
        flow_scale: float = 5.0,
        base_channels: int = 64,
    ):
        super().__init__()
        if not 0 < scale <= 1 or base_channels < 4:
            raise ValueError(
                f"FlowNetS: scale must be above 0 and at most 1, base_channels at least 4, not {scale}, {base_channels}"
            )
        self.factors = tuple(s / 255 for s in std)
        self.shifts = tuple(m / 255 - own for m, own in zip(mean, self.MEAN))
        self.scale = scale
        self.flow_scale = flow_scale
        channels, widths = 6, []
        for number, (width, kernel, second) in enumerate(STAGES, start=1):
            out = width * base_channels
            convs = [_conv(channels, out, kernel, 2)] + ([_conv(out, out, second, 1)] if second else [])
            setattr(self, f"conv{number}", nn.ModuleList(convs))
            channels = out
            widths.append(out)
        for level in (5, 4, 3, 2):  # from the coarsest map; conv2's, with stride 4, is the finest
            out = base_channels * 2 ** (level - 2)
            setattr(self, f"deconv{level}", ConvTranspose2d(channels, out, 4, 2, 1, bias=False))
            setattr(self, f"predict_flow{level + 1}", _flow_of(channels))
            setattr(self, f"upsample_flow{level}", ConvTranspose2d(2, 2, 4, 2, 1, bias=False))
            channels = widths[level - 1] + out + 2
        self.predict_flow = _flow_of(channels)

    def prepare(self, images, sizes):
        """Images [N, 3, H, W] of the detector -> input of the network: other normalisation, zeros in the padding, smaller."""
        columns, rows = jt.arange(images.shape[3]).float32(), jt.arange(images.shape[2]).float32()
        inside = (columns.unsqueeze(0) < sizes[:, :1]).float32().unsqueeze(1).unsqueeze(1)
        inside = inside * (rows.unsqueeze(0) < sizes[:, 1:]).float32().unsqueeze(1).unsqueeze(3)
        planes = [images[:, i : i + 1] * f + s for i, (f, s) in enumerate(zip(self.factors, self.shifts))]
        images = jt.concat(planes, dim=1) * inside
        height, width = (int(n * self.scale) for n in images.shape[2:])
        return nn.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)

    def execute(self, first, second, sizes):
        x = jt.concat([self.prepare(first, sizes), self.prepare(second, sizes)], dim=1)
        maps = []
        for number in range(1, len(STAGES) + 1):
            for conv in getattr(self, f"conv{number}"):
                x = _relu(conv(x))
            maps.append(x)
        for level in (5, 4, 3, 2):
            finer = maps[level - 1]
            flow = getattr(self, f"upsample_flow{level}")(getattr(self, f"predict_flow{level + 1}")(x))
            up = _relu(getattr(self, f"deconv{level}")(x))
            height, width = finer.shape[2:]
            x = jt.concat([finer, up[:, :, :height, :width], flow[:, :, :height, :width]], dim=1)
        return self.predict_flow(x) * (self.flow_scale * 4 / self.scale)


def _relu(x):
    return nn.leaky_relu(x, 0.1)


def _conv(in_channels, out_channels, kernel, stride):
    conv = Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    jt.init.relu_invariant_gauss_(conv.weight, mode="fan_in")
    jt.init.constant_(conv.bias, 0.0)
    return conv


def _flow_of(channels):
    conv = Conv2d(channels, 2, 3, 1, 1, bias=False)
    jt.init.constant_(conv.weight, 0.0)
    return conv
