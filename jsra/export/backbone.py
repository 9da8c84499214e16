"""ResNet and ResNeXt: each norm becomes part of the convolution before it."""

from __future__ import annotations

from jsra.backbones.resnet import Bottleneck


def resnet(g, backbone, x) -> list:
    """x [1, 3, H, W] -> the maps of the stages in out_indices."""
    with g.scope("backbone"):
        x = g("Relu", conv_norm(g, x, backbone.conv1, backbone.bn1))
        x = g("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        maps = []
        for index in range(backbone.num_stages):
            for block in getattr(backbone, f"layer{index + 1}"):
                x = _block(g, block, x)
            if index in backbone.out_indices:
                maps.append(x)
    return maps


def conv_norm(g, x, conv, norm, **attributes):
    """A convolution without bias and its norm, in evaluation, as one convolution."""
    scale, shift = (v.numpy() for v in norm.affine_form())
    weight = conv.weight.numpy() * scale.reshape(-1, 1, 1, 1)
    return g.conv(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups, **attributes)


def _block(g, block, x):
    identity = x if block.downsample is None else conv_norm(g, x, block.downsample[0], block.downsample[1])
    out = g("Relu", conv_norm(g, x, block.conv1, block.bn1))
    out = conv_norm(g, out, block.conv2, block.bn2)
    if isinstance(block, Bottleneck):
        out = conv_norm(g, g("Relu", out), block.conv3, block.bn3)
    return g("Relu", g("Add", out, identity))
