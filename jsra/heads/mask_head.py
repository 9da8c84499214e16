"""The mask head of Mask R-CNN (He et al. 2017): RoI features -> a mask for each class, and its loss.

Shape letters: K RoIs; C classes (labels 1 to C); h x w cells of the RoI features, 2h x 2w pixels of the masks.
"""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.losses.cross_entropy import one_hot
from jsra.losses.kinds import check_binary
from jsra.ops.conv import Conv2d, conv2d
from jsra.ops.linear import linear
from jsra.ops.permute import permute
from jsra.registry import register


@register("mask_head")
class FCNMaskHead(nn.Module):
    """num_convs 3x3 convolutions, a transposed convolution that doubles the size, a 1x1 convolution with an output per class.

    loss_mask: CrossEntropyLoss with use_sigmoid. num_classes: C. in_channels: of the RoI features; conv_out_channels: of the
    other convolutions. class_agnostic: one mask for all classes. Initial weights as in mmdet: normal, with the deviation of
    He et al. 2015 for the number of outputs.
    """

    def __init__(
        self,
        loss_mask: part.loss,
        num_classes: int = 80,
        in_channels: int = 256,
        conv_out_channels: int = 256,
        num_convs: int = 4,
        class_agnostic: bool = False,
    ):
        super().__init__()
        check_binary(loss_mask, type(self).__name__, "loss_mask")
        self.loss_mask = loss_mask
        self.num_classes = num_classes
        self.class_agnostic = class_agnostic
        widths = [in_channels] + [conv_out_channels] * num_convs
        self.convs = nn.ModuleList([Conv2d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:])])
        self.upsample = DoublingConv(widths[-1], conv_out_channels)
        self.logits = Conv2d(conv_out_channels, 1 if class_agnostic else num_classes, 1)
        for layer in [*self.convs, self.upsample, self.logits]:
            outputs = layer.weight.shape[0] * math.prod(layer.weight.shape[2:])
            jt.init.gauss_(layer.weight, 0.0, math.sqrt(2 / outputs))
            jt.init.constant_(layer.bias, 0.0)

    def execute(self, features):
        """[K, in_channels, h, w] -> logits [K, C, 2h, 2w], or [K, 1, 2h, 2w] if class-agnostic."""
        return interleave(self.logits(self.shared(features)))

    def class_logits(self, features, labels):
        """The logits [K, 2h, 2w] of one class per RoI; labels int32 [K]; zeros for label 0.

        The last convolution is computed only for that class: with many classes (LVIS), all would need gigabytes.
        """
        x = self.shared(features)
        if self.class_agnostic:
            chosen = self.logits(x)
        else:
            rows = one_hot(labels - 1, self.num_classes)
            weight = linear(rows, permute(self.logits.weight.reshape(self.num_classes, -1), 1, 0))
            bias = linear(rows, self.logits.bias.unsqueeze(0))
            products = x * weight.unsqueeze(2).unsqueeze(3)
            chosen = products.sum(dim=1, keepdims=True) + bias.unsqueeze(2).unsqueeze(3)
        masks = interleave(chosen)
        return masks.reshape(masks.shape[0], *masks.shape[2:])

    def shared(self, features):
        """The layers shared by all classes: [K, in_channels, h, w] -> [K, conv_out_channels, 4h, w], as from DoublingConv."""
        return nn.relu(self.upsample(self.trunk(features)))

    def trunk(self, x):
        """The 3x3 convolutions, each followed by a ReLU."""
        for conv in self.convs:
            x = nn.relu(conv(x))
        return x

    def losses(self, logits, targets, weights):
        """logits, targets [K, 2h, 2w] of one class per RoI; weights [K], 0 for RoIs without a mask.

        Returns {loss_mask}: the mean over all pixels of the masks with weight 1, as in mmdet.
        """
        pixels = jt.maximum(weights.sum(), 1.0) * math.prod(logits.shape[1:])
        return {"loss_mask": self.loss_mask(logits, targets, weight=weights.reshape(-1, 1, 1), avg_factor=pixels)}


class DoublingConv(nn.Module):
    """A 2x2 transposed convolution with stride 2, computed as a 1x1 convolution: its output windows do not overlap, so each
    input position gives four outputs of its own.

    weight [in, out, 2, 2], bias [out], as in torch's ConvTranspose2d. execute: [K, in, h, w] -> [K, out, 4h, w], four maps of
    [h, w] one below the other. Layers that work on single positions can follow; then `interleave` orders the positions.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.weight = jt.zeros((in_channels, out_channels, 2, 2))
        self.bias = jt.zeros((out_channels,))

    def execute(self, x):
        return by_parts(conv2d(x, *self.of_1x1()))

    def of_1x1(self):
        """Weight [4 out, in, 1, 1] and bias [4 out] of the equivalent 1x1 convolution."""
        inputs, outputs = self.weight.shape[:2]
        weight = permute(self.weight, 1, 2, 3, 0).reshape(4 * outputs, inputs, 1, 1)
        return weight, self.bias.unsqueeze(1).broadcast([outputs, 4]).reshape(-1)


def by_parts(x):
    """[K, 4 out, h, w] -> [K, out, 4h, w]: the four outputs of a channel, one below the other."""
    count, channels, height, width = x.shape
    return x.reshape(count, channels // 4, 4 * height, width)


def interleave(x):
    """[K, c, 4h, w], parts (0, 0), (0, 1), (1, 0), (1, 1) -> [K, c, 2h, 2w]."""
    count, channels, height, width = x.shape
    height //= 4
    parts = x.reshape(count, channels, 2, 2, height, width)
    return permute(parts, 0, 1, 4, 2, 5, 3).reshape(count, channels, 2 * height, 2 * width)
