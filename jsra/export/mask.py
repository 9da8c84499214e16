"""The branch of masks: the probabilities of the class that was found, in each box."""

from __future__ import annotations

from jsra.export.extractor import extract


def masks(g, branch, maps, boxes, labels):
    """boxes [n, 4], labels int64 [n] -> [n, 1, m, m]: how likely each part of the box belongs to the object."""
    head = branch.head
    with g.scope("mask"):
        x = extract(g, branch.extractor, maps, boxes)
        for conv in head.convs:
            x = g("Relu", g.conv(x, conv.weight.numpy(), conv.bias.numpy(), padding=1))
        up = head.upsample
        x = g("ConvTranspose", x, up.weight.numpy(), up.bias.numpy(), kernel_shape=[2, 2], strides=[2, 2])
        return g("Sigmoid", _logits(g, head, g("Relu", x), labels))


def _logits(g, head, x, labels):
    """[n, 1, m, m]: the last convolution, for the class of each box alone."""
    weight, bias = head.logits.weight.numpy(), head.logits.bias.numpy()
    if head.class_agnostic:
        return g.conv(x, weight, bias)
    index = g("Sub", labels, 1)
    rows = g("Gather", weight.reshape(len(bias), 1, -1), index)
    shape = g("Concat", [0, 0, -1], axis=0)
    products = g("MatMul", rows, g("Reshape", x, shape))
    logits = g("Add", products, g("Gather", bias.reshape(-1, 1, 1), index))
    return g("Reshape", logits, g("Concat", [0, 1], g("Shape", x, start=2, end=4), axis=0))
