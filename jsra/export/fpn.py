"""The Feature Pyramid Network in the graph."""

from __future__ import annotations


def fpn(g, neck, maps) -> list:
    """The maps of the backbone, finest first -> num_outs maps."""
    with g.scope("neck"):
        laterals = [_conv(g, x, conv) for conv, x in zip(neck.lateral_convs, maps[neck.start_level :])]
        for i in reversed(range(len(laterals) - 1)):
            size = g("Shape", laterals[i], start=2, end=4)
            above = g(
                "Resize", laterals[i + 1], None, None, size, axes=[2, 3], mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )  # fmt: skip
            laterals[i] = g("Add", laterals[i], above)
        convs = list(neck.fpn_convs)
        outputs = [_conv(g, x, conv) for conv, x in zip(convs, laterals)]
        source = {"on_input": maps[-1], "on_lateral": laterals[-1]}.get(neck.extra, outputs[-1])
        for i in range(neck.num_extra):
            if neck.extra == "pool":
                source = g("MaxPool", source, kernel_shape=[1, 1], strides=[2, 2])
            else:
                source = g("Relu", source) if i and neck.relu_before_extra else source
                source = _conv(g, source, convs[len(laterals) + i])
            outputs.append(source)
    return outputs


def _conv(g, x, conv):
    return g.conv(x, conv.weight.numpy(), conv.bias.numpy(), conv.stride, conv.padding)
