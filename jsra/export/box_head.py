"""The box branch in the graph: from proposals to detections."""

from __future__ import annotations

import math

from jsra.export.boxes import column, decode, nms, top
from jsra.export.extractor import extract, output_size
from jsra.registry import ConfigError


def detections(g, branch, maps, proposals, limits):
    """proposals [n, 4] -> (boxes [m, 4], scores [m], labels int64 [m], 1 for the first class), best first."""
    head = branch.head
    with g.scope("box"):
        _check_size(branch)
        features = extract(g, branch.extractor, maps, proposals)
        with g.scope("head"):
            logits, deltas = _outputs(g, head, features)
            scores = _scores(g, head, logits)
            if not head.reg_class_agnostic:
                proposals = g("Unsqueeze", proposals, [1])
                deltas = g("Reshape", deltas, [0, head.num_classes, 4])
            boxes = decode(g, head.box_coder, proposals, deltas, limits)
        with g.scope("select"):
            return _select(g, branch.test, boxes, scores, head)


def _check_size(branch):
    """Raise ConfigError if the head reads another number of features than the extractor gives: it would fail in any run."""
    head, size = branch.head, output_size(branch.extractor)
    given, read = branch.extractor.out_channels * math.prod(size), head.in_channels * math.prod(head.roi_feat_size)
    if given != read:
        raise ConfigError(
            f"model.roi_head.box: the extractor gives {given} numbers per RoI, and the head reads {read}: set roi_feat_size "
            "of the head to the extractor's output size"
        )


def _outputs(g, head, features):
    x = g("Flatten", features, axis=1)
    for fc in head.fcs:
        x = g("Relu", g.linear(x, fc))
    return g.linear(x, head.cls), g.linear(x, head.box)


def _scores(g, head, logits):
    """The scores [n, C] of the classes; the first column of a softmax, the background, is left out."""
    if head.loss_cls.num_outputs(head.num_classes) == head.num_classes:
        return g("Sigmoid", logits)
    return g("Slice", g("Softmax", logits, axis=1), [1], [head.num_classes + 1], [1])


def _select(g, selector, boxes, scores, head):
    """NMS within each class: each class is a batch item of the operator, or, for class-agnostic boxes, a class of it."""
    classes, by_class = head.num_classes, g("Transpose", scores, perm=[1, 0])
    if head.reg_class_agnostic:
        inputs, axis = (g("Unsqueeze", boxes, [0]), g("Unsqueeze", by_class, [0])), 1
    else:
        inputs, axis = (g("Transpose", boxes, perm=[1, 0, 2]), g("Unsqueeze", by_class, [1])), 0
    kept = nms(g, *inputs, selector.max_per_img, selector.nms_thr, selector.score_thr)
    # Equal scores are ordered by increasing proposal, then class.
    pair = g("Add", g("Mul", column(g, kept, 2), classes), column(g, kept, axis))
    pair, _ = g("TopK", pair, g.size(pair, 0), axis=0, largest=0, outputs=2)
    scores, best = top(g, g("Gather", g("Reshape", scores, [-1]), pair), selector.max_per_img)
    pair = g("Gather", pair, best)
    rows = g("Div", pair, classes) if head.reg_class_agnostic else pair
    boxes = g("Gather", g("Reshape", boxes, [-1, 4]), rows)
    return boxes, scores, g("Add", g("Mod", pair, classes), 1)
