"""The mask branch in the graph: the mask of the detected class in each box."""

from __future__ import annotations

from jsra.export.extractor import extract, output_size


def masks(g, branch, maps, boxes, labels):
    """boxes [n, 4], labels int64 [n] -> [n, 1, m, m]: the probability that a part of the box belongs to the object."""
    head = branch.head
    with g.scope("mask"):
        x = extract(g, branch.extractor, maps, boxes)
        for conv in head.convs:
            x = g("Relu", g.conv(x, conv.weight.numpy(), conv.bias.numpy(), padding=1))
        up = head.upsample
        x = g("ConvTranspose", x, up.weight.numpy(), up.bias.numpy(), kernel_shape=[2, 2], strides=[2, 2])
        size = [2 * side for side in output_size(branch.extractor)]
        return g("Sigmoid", _logits(g, head, g("Relu", x), labels, size))


def _logits(g, head, x, labels, size):
    """[n, 1, m, m]: the last convolution, only for the class of each box. size: (m, m)."""
    weight, bias = head.logits.weight.numpy(), head.logits.bias.numpy()
    if head.class_agnostic:
        return g.conv(x, weight, bias)
    index = g("Sub", labels, 1)
    rows = g("Gather", weight.reshape(len(bias), 1, -1), index)
    pixels = g("Reshape", x, [0, 0, size[0] * size[1]])
    logits = g("Add", g("MatMul", rows, pixels), g("Gather", bias.reshape(-1, 1, 1), index))
    return g("Reshape", logits, [0, 1, *size])
