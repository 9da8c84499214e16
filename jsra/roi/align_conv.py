"""Convolutions whose taps follow the box of each position: the four variants in table 4 of AlignDet (Chen et al. 2019).

Shape letters: B images; A boxes per position; kh, kw rows and columns of the kernel; T = kh * kw taps. Boxes are xyxy in
image pixels, ordered by position (row by row), then by box.
"""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import nn

from jsra.backbones.norm import BatchNorm2d
from jsra.ops.conv import Conv2d, conv2d
from jsra.ops.deform_conv2d import deform_conv2d
from jsra.ops.permute import permute
from jsra.registry import register


class AlignConv(nn.Module):
    """A convolution whose taps follow a box at each position. kernel_size: an odd int, or odd (rows, columns).

    execute(x [B, in_channels, H, W], boxes [B, H * W * A, 4], stride) -> [B * A, out_channels, H, W], one map for each of the
    A boxes; all use the same weights. stride: image pixels per cell of x. The subclasses have the same arguments.
    """

    def __init__(self, in_channels: int = 256, out_channels: int = 256, kernel_size: int | tuple[int, int] = 3):
        super().__init__()
        self.kernel_size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if min(self.kernel_size) < 1 or 0 in (self.kernel_size[0] % 2, self.kernel_size[1] % 2):
            raise ValueError(f"{type(self).__name__}: kernel_size must be odd, got {kernel_size!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.weight = jt.init.gauss((out_channels, in_channels, *self.kernel_size), "float32", 0.0, 0.01)
        self.bias = jt.zeros((out_channels,))

    @property
    def padding(self):
        """The (rows, columns) of zeros on each side with which the output has the size of the input."""
        return self.kernel_size[0] // 2, self.kernel_size[1] // 2

    def execute(self, x, boxes, stride):
        self.check(x)
        images, _, height, width = x.shape
        each = boxes.reshape(images, height * width, -1, 4)
        outs = []
        for i in range(each.shape[2]):
            offset = self.offset(x, each[:, :, i], stride)
            outs.append(deform_conv2d(x, offset, self.weight, self.bias, padding=self.padding))
        if len(outs) == 1:
            return outs[0]
        return jt.stack(outs, dim=1).reshape(-1, self.out_channels, height, width)

    def check(self, x):
        """Raise ValueError for a map with other channels; with a multiple of them it would be a convolution in groups."""
        if x.shape[1] != self.in_channels:
            name = type(self).__name__
            raise ValueError(f"{name}: built for {self.in_channels} channels, got {x.shape[1]}: set in_channels")

    def offset(self, x, boxes, stride):
        """boxes [B, H * W, 4] -> offsets [B, 2 T, H, W] for jsra.ops.deform_conv2d: y, then x of each tap, in cells."""
        raise NotImplementedError


@register("align_conv")
class PlainConv(AlignConv):
    """No alignment: an ordinary convolution, which reads the same cells for every box (RefineDet; table 4 (a))."""

    def execute(self, x, boxes, stride):
        self.check(x)
        out = conv2d(x, self.weight, self.bias, padding=self.padding)
        count = boxes.shape[1] // (x.shape[2] * x.shape[3])
        return out if count == 1 else jt.stack([out] * count, dim=1).reshape(-1, *out.shape[1:])

    def offset(self, x, boxes, stride):
        return jt.zeros((x.shape[0], 2 * self.kernel_size[0] * self.kernel_size[1], *x.shape[2:]))


@register("align_conv")
class LearnedOffsetConv(AlignConv):
    """A deformable convolution: a 1x1 convolution of the features gives the offsets (table 4 (b))."""

    def __init__(self, in_channels: int = 256, out_channels: int = 256, kernel_size: int | tuple[int, int] = 3):
        super().__init__(in_channels, out_channels, kernel_size)
        self.offsets = _small(Conv2d(in_channels, 2 * self.kernel_size[0] * self.kernel_size[1], 1))

    def offset(self, x, boxes, stride):
        return self.offsets(x)


@register("align_conv")
class AnchorGuidedConv(AlignConv):
    """Guided Anchoring's deformable convolution (Wang et al. 2019; table 4 (c)): a 1x1 convolution of the box's width and
    height, batch-normalised, gives the offsets. It does not know the box's position.

    Assumption: width and height are in cells before the norm, so that all levels can share one norm.
    """

    def __init__(self, in_channels: int = 256, out_channels: int = 256, kernel_size: int | tuple[int, int] = 3):
        super().__init__(in_channels, out_channels, kernel_size)
        self.norm = BatchNorm2d(2)
        self.offsets = _small(Conv2d(2, 2 * self.kernel_size[0] * self.kernel_size[1], 1))

    def offset(self, x, boxes, stride):
        sides = (boxes[:, :, 2:] - boxes[:, :, :2]) / float(stride)
        sides = permute(sides, 0, 2, 1).reshape(x.shape[0], 2, *x.shape[2:])
        return self.offsets(self.norm(sides))


@register("align_conv")
class RoIConv(AlignConv):
    """RoIConv (equation 4): the taps are the samples of RoI Align with one sample per bin, at the centres of kh x kw
    equal parts of the box. Cells outside the map are zero."""

    def offset(self, x, boxes, stride):
        return roi_conv_offset(boxes, x.shape[2:], stride, self.kernel_size)


def roi_conv_offset(boxes, size, stride, kernel_size):
    """Offsets [B, 2 T, H, W] from the taps of a convolution to the sample points of boxes [B, H * W, 4].

    size: (H, W); stride: pixels per cell; kernel_size: (kh, kw), odd. Source: AlignDet, equation 4. The centre of cell (X, Y)
    is (X + 0.5, Y + 0.5) * stride, as in RoI Align with aligned=True. The boxes get no gradient.
    """
    height, width = size
    corners = permute(boxes, 0, 2, 1).reshape(-1, 4, height, width).stop_grad() / float(stride)
    place = np.mgrid[:height, :width].astype(np.float32)[None]
    place = jt.array(place).cast(boxes.dtype).broadcast([corners.shape[0], 2, height, width])
    weight, bias = (jt.array(v).cast(boxes.dtype) for v in _offset_weights(*kernel_size))
    return conv2d(jt.concat([corners, place], dim=1), weight, bias).stop_grad()


def _offset_weights(rows, columns):
    """Weight [2 T, 6, 1, 1] and bias [2 T] of the 1x1 convolution that computes the offsets from six planes: x0, y0, x1, y1
    of the boxes in cells, and the positions Y, X."""
    weight, bias = np.zeros((2, rows, columns, 6), np.float32), np.zeros((2, rows, columns), np.float32)
    for axis, parts in enumerate((rows, columns)):  # y, then x
        tap = np.arange(parts).reshape((-1, 1) if axis == 0 else (1, -1))
        share = (tap + 0.5) / parts  # position of the sample between the first side (0) and the last (1)
        weight[axis, :, :, 1 - axis], weight[axis, :, :, 3 - axis] = 1 - share, share
        weight[axis, :, :, 4 + axis] = -1
        bias[axis] = parts // 2 - (tap + 0.5)
    order = (1, 2, 0, 3)  # taps row by row; for each tap y, then x
    return weight.transpose(order).reshape(-1, 6, 1, 1), bias.transpose(1, 2, 0).reshape(-1)


def _small(conv):
    """Small initial weights, so that the offsets start near zero (the paper: sigma 0.01)."""
    jt.init.gauss_(conv.weight, 0.0, 0.01)
    jt.init.constant_(conv.bias, 0.0)
    return conv
