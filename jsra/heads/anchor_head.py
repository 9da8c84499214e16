"""The common part of heads that classify and refine every anchor of dense maps, without sampling.

Shape letters: B images; A anchors per position; C classes; N anchors of all levels together, ordered by level, position,
anchor.
"""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.boxes.dense_detections import DenseSelector
from jsra.boxes.structures import take
from jsra.losses.kinds import check_dense, check_numbers
from jsra.ops.conv import Conv2d
from jsra.ops.permute import permute

PRIOR = 0.01  # score of every class before training: otherwise the sum over so many anchors starts with a huge loss


class AnchorHead(nn.Module):
    """box_coder, assigner, loss_cls (it needs a method `dense`: FocalLoss), loss_box: built objects. test: a DenseSelector.
    num_classes: C. anchor_generator: None if the boxes of the positions come from elsewhere.

    A subclass defines forward_levels(feats), which returns two lists over levels: logits [B, A * C, H, W] and deltas
    [B, A * 4, H, W].
    """

    def __init__(
        self,
        box_coder: part.box_coder,
        assigner: part.assigner,
        loss_cls: part.loss,
        loss_box: part.loss,
        num_classes: int = 80,
        test: part.dense_selector | None = None,
        anchor_generator: part.anchor_generator | None = None,
    ):
        super().__init__()
        if type(self).losses is AnchorHead.losses:
            check_dense(loss_cls, type(self).__name__)
            check_numbers(loss_box, type(self).__name__)
        self.anchor_generator = anchor_generator
        self.box_coder = box_coder
        self.assigner = assigner
        self.loss_cls = loss_cls
        self.loss_box = loss_box
        self.num_classes = num_classes
        self.test = test or DenseSelector()

    def anchors(self, feats):
        """The anchors of the maps, xyxy [N, 4] in image pixels."""
        return self.anchor_generator.grids([x.shape[2:] for x in feats])

    def valid(self, feats, targets):
        """int32 [B, N]: 0 if the anchor is outside the padded size of its image."""
        return self.anchor_generator.valid([x.shape[2:] for x in feats], targets.pad_sizes)

    def tower(self, convs, x):
        """The convolutions, each followed by a ReLU."""
        for conv in convs:
            x = nn.relu(conv(x))
        return x

    def losses(self, logits, deltas, anchors, targets, valid):
        """{loss_cls, loss_box}: sums over all anchors, divided by the number of positives (at least 1 per image; as mmdet).

        anchors [N, 4], or [B, N, 4] (separate ones for each image); valid int32 [B, N], 0 for anchors that are ignored.
        """
        matched = self.assigner.assign(anchors, targets.truth, valid).matched
        positive = (matched > 0).int32()
        owner = jt.maximum(matched, 0) - 1
        labels = jt.ternary(matched > 0, take(targets.truth.labels, owner), matched)
        count = jt.maximum(positive.sum(dim=1), 1).sum().float32()
        predicted = by_anchor(deltas, 4)
        references = anchors if anchors.ndim == 3 else anchors.unsqueeze(0).broadcast(predicted.shape)
        wanted = self.box_coder.encode(references, take(targets.truth.boxes, owner))
        weight = positive.float32().unsqueeze(2)
        return {
            "loss_cls": self.loss_cls.dense(logits, labels, self.num_classes, count),
            "loss_box": self.loss_box(predicted, wanted, weight=weight, avg_factor=count),
        }

    def results(self, logits, deltas, anchors, targets):
        """The jsra.boxes.structures.Results of a batch; anchors as for `losses`."""
        return self.test.select(logits, deltas, anchors, self.box_coder, self.num_classes, targets)

    def decode(self, deltas, anchors, targets):
        """The boxes [B, N, 4] predicted from the anchors [N, 4], clipped to the images."""
        rows = by_anchor(deltas, 4)
        return self.box_coder.decode(anchors.unsqueeze(0).broadcast(rows.shape), rows, targets.sizes)


def by_anchor(maps, depth: int):
    """Levels of [B, A * depth, H, W] -> [B, N, depth]."""
    rows = [permute(m.reshape(*m.shape[:2], -1), 0, 2, 1).reshape(m.shape[0], -1, depth) for m in maps]
    return jt.concat(rows, dim=1)


def square_convs(widths, kernel=3):
    """A ModuleList of kernel x kernel convolutions that keep the size of a map, so `kernel` must be odd; widths: channels of
    the input, then of each convolution's output."""
    if kernel % 2 == 0:
        raise ValueError(f"the kernel of a head's convolutions (conv_kernel) must be odd, it is {kernel}")
    return nn.ModuleList([Conv2d(i, o, kernel, padding=kernel // 2) for i, o in zip(widths, widths[1:])])


def initialise(convs, cls):
    """Small weights, biases 0; the bias of `cls`, the last layer, makes every score PRIOR. Source: Lin et al. 2017, 4.1."""
    for conv in [*convs, cls]:
        jt.init.gauss_(conv.weight, 0.0, 0.01)
        jt.init.constant_(conv.bias, 0.0)
    jt.init.constant_(cls.bias, -math.log((1 - PRIOR) / PRIOR))
