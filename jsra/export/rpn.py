"""The Region Proposal Network in the graph: from the pyramid to the proposals of one image."""

from __future__ import annotations

import numpy as np

from jsra.export.boxes import column, decode, nms, top

NO_BOX, LEAST = -3e38, -1e38  # logit of invalid boxes, and a lower limit of all other logits


def rpn(g, head, maps, limits):
    """The neck's maps -> proposals [n, 4], best first, in pixels of the image."""
    with g.scope("rpn"):
        levels = [_level(g, head, i, x, limits) for i, x in enumerate(maps)]
        boxes, scores = (g("Concat", *parts, axis=0) for parts in zip(*levels))
        _, best = top(g, scores, head.test_proposals.max_per_img)
        return g("Gather", boxes, best)


def _level(g, head, level: int, x, limits):
    """The proposals of one level, best first: (boxes [m, 4], scores [m])."""
    for conv in head.convs:
        x = g("Relu", g.conv(x, conv.weight.numpy(), conv.bias.numpy(), padding=1))
    logits, deltas = (g.conv(x, conv.weight.numpy(), conv.bias.numpy()) for conv in (head.cls, head.box))
    anchors, selector = head.anchor_generator.num_base_anchors, head.test_proposals
    # Anchors are numbered by position, then by anchor within the position.
    logits = g("Reshape", g("Transpose", logits, perm=[0, 2, 3, 1]), [-1])
    values, index = top(g, logits, selector.nms_pre)
    deltas = g("Reshape", g("Transpose", deltas, perm=[0, 2, 3, 1]), [-1, 4])
    references = _anchors(g, head.anchor_generator, level, index, anchors, g.size(x, 3))
    boxes = decode(g, head.box_coder, references, g("Gather", deltas, index), limits)
    low, high = g.halves(boxes)
    smallest = g("ReduceMin", g("Sub", high, low), [1], keepdims=0)
    large = g("Greater", smallest, float(selector.min_size))
    # Logits have the same order as the scores, but stay different when sigmoids round to 1.
    ranked = g("Unsqueeze", g("Where", large, values, NO_BOX), [0, 1])
    kept = nms(g, g("Unsqueeze", boxes, [0]), ranked, selector.max_per_img, selector.nms_thr, LEAST)
    rows = column(g, kept, 2)
    return g("Gather", boxes, rows), g("Sigmoid", g("Gather", values, rows))


def _anchors(g, generator, level: int, index, count: int, width):
    """The anchors [k, 4] of a level with the numbers `index` [k]; width [1]: positions per row."""
    position = g("Div", index, count)
    x, y = g("Mod", position, width), g("Div", position, width)
    shift = g("Concat", *(g("Unsqueeze", v, [1]) for v in (x, y, x, y)), axis=1)
    shift = g("Mul", g.cast(shift, "float32"), float(generator.strides[level]))
    return g("Add", g("Gather", np.float32(generator.base_anchors[level]), g("Mod", index, count)), shift)
