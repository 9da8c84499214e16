"""The backbones in the graph: each norm is folded into the convolution before it."""

from __future__ import annotations

from jsra.backbones.efficientnet_lite import EfficientNetLite
from jsra.backbones.resnet import Bottleneck


def backbone_maps(g, backbone, x) -> list:
    """x [1, 3, H, W] -> the maps of the stages in out_indices."""
    with g.scope("backbone"):
        write = _efficientnet_lite if isinstance(backbone, EfficientNetLite) else _resnet
        return write(g, backbone, x)


def _resnet(g, backbone, x):
    x = g("Relu", _conv_norm(g, x, backbone.conv1, backbone.bn1))
    x = g("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    maps = []
    for index in range(backbone.num_stages):
        for block in getattr(backbone, f"layer{index + 1}"):
            x = _block(g, block, x)
        if index in backbone.out_indices:
            maps.append(x)
    return maps


def _block(g, block, x):
    identity = x if block.downsample is None else _conv_norm(g, x, block.downsample[0], block.downsample[1])
    out = g("Relu", _conv_norm(g, x, block.conv1, block.bn1))
    out = _conv_norm(g, out, block.conv2, block.bn2)
    if isinstance(block, Bottleneck):
        out = _conv_norm(g, g("Relu", out), block.conv3, block.bn3)
    return g("Relu", g("Add", out, identity))


def _efficientnet_lite(g, backbone, x):
    x = _relu6(g, _same(g, x, backbone.stem_conv, backbone.stem_bn))
    maps, start, blocks = [], 0, list(backbone.blocks)
    for stage, end in enumerate(backbone.ends):
        for block in blocks[start:end]:
            x = _inverted(g, block, x)
        start = end
        if stage in backbone.out_indices:
            maps.append(x)
    return maps


def _inverted(g, block, x):
    out = x if block.expand_conv is None else _relu6(g, _same(g, x, block.expand_conv, block.bn0))
    out = _relu6(g, _same(g, out, block.depthwise_conv, block.bn1))
    out = _same(g, out, block.project_conv, block.bn2)
    return g("Add", out, x) if block.residual else out


def _relu6(g, x):
    return g("Clip", x, 0.0, 6.0)


def _same(g, x, conv, norm):
    return _conv_norm(g, x, conv, norm, auto_pad="SAME_UPPER")


def _conv_norm(g, x, conv, norm, **attributes):
    """A convolution without bias and its norm (in evaluation mode) as a single convolution."""
    scale, shift = (v.numpy() for v in norm.affine_form())
    weight = conv.weight.numpy() * scale.reshape(-1, 1, 1, 1)
    return g.conv(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups, **attributes)
