"""The box head: RoI features -> class logits and box deltas, their losses, scores and boxes.

Shape letters: B images; S samples and P proposals per image; K RoIs of all images together; C classes (labels 1 to C). The
loss decides what the columns of the logits mean (jsra.losses.cross_entropy): with a softmax, column 0 is the background.
"""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.losses.kinds import check_classes, check_numbers
from jsra.ops.dense_gather import dense_gather
from jsra.registry import ConfigError, register


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


class BoxHead(nn.Module):
    """The common part of all box heads. A subclass defines execute(features) -> logits, deltas; its constructor makes its own
    layers, then calls make_outputs.

    box_coder, loss_cls, loss_box: built objects; loss_box works on deltas. num_classes: C. reg_class_agnostic: one box per
    RoI instead of one per class (the deltas of class c start at column 4 * (c - 1)).
    """

    def __init__(self, box_coder, loss_cls, loss_box, num_classes, reg_class_agnostic):
        super().__init__()
        if (type(self).losses, type(self).scores) == (BoxHead.losses, BoxHead.scores):  # a user's class may use others
            check_classes(loss_cls, type(self).__name__)
            check_numbers(loss_box, type(self).__name__)
        self.box_coder = box_coder
        self.loss_cls = loss_cls
        self.loss_box = loss_box
        self.num_classes = num_classes
        self.reg_class_agnostic = reg_class_agnostic

    def make_outputs(self, width, fcs=()):
        """Make the layers `cls` and `box`, which read `width` numbers per RoI, and initialise them (normal distribution) and
        the fully connected layers `fcs` before them (Xavier)."""
        self.cls = nn.Linear(width, self.loss_cls.num_outputs(self.num_classes))
        self.box = nn.Linear(width, 4 if self.reg_class_agnostic else 4 * self.num_classes)
        for fc in fcs:
            jt.init.xavier_uniform_(fc.weight)
        jt.init.gauss_(self.cls.weight, 0.0, 0.01)
        jt.init.gauss_(self.box.weight, 0.0, 0.001)
        for fc in [*fcs, self.cls, self.box]:
            jt.init.constant_(fc.bias, 0.0)

    def losses(self, logits, deltas, samples):
        """logits [B * S, .], deltas [B * S, .] of all samples (jsra.boxes.structures.Samples).

        Returns {loss_cls, loss_box}: both divided by the number of samples, positive and negative, as in mmdet.
        """
        labels, weights = samples.labels.reshape(-1), samples.weights.reshape(-1)
        count = jt.maximum(samples.count.sum(), 1).float32()
        wanted = self.box_coder.encode(samples.boxes, samples.gt_boxes).reshape(-1, 4)
        positive = (labels > 0).float32().unsqueeze(1)
        return {
            "loss_cls": self.loss_cls(logits, labels, weight=weights, avg_factor=count),
            "loss_box": self.loss_box(self.of_class(deltas, labels), wanted, weight=positive, avg_factor=count),
        }

    def of_class(self, deltas, labels):
        """The deltas [K, 4] of one class per RoI. deltas [K, 4 C] or [K, 4] (class-agnostic: returned as they are);
        labels int32 [K]; zeros for label 0."""
        if self.reg_class_agnostic:
            return deltas
        return dense_gather([deltas.reshape(*deltas.shape, 1, 1)], labels.unsqueeze(1) - 1, 4).reshape(-1, 4)

    def scores(self, logits):
        """Logits [K, .] -> the probabilities [K, C] of the classes."""
        return self.loss_cls.scores(logits)

    def boxes(self, deltas, references, sizes):
        """The deltas of all proposals `references` [B, P, 4] -> boxes [B, P, C, 4], or [B, P, 4] if class-agnostic, clipped
        to sizes [B, 2] (width, height)."""
        images, count = references.shape[:2]
        if self.reg_class_agnostic:
            return self.box_coder.decode(references, deltas.reshape(images, count, 4), sizes)
        return self.box_coder.decode(references, deltas.reshape(images, count, self.num_classes, 4), sizes)

    def refined(self, logits, deltas, references, labels, sizes):
        """The boxes [B, P, 4] for the next stage: of the classes in labels int32 [B, P], for 0 of the most likely class."""
        likeliest = self.scores(logits).argmax(dim=1)[0].int32() + 1
        labels = labels.reshape(-1)
        chosen = self.of_class(deltas, jt.ternary(labels > 0, labels, likeliest))
        return self.box_coder.decode(references, chosen.reshape(references.shape), sizes)


@register("box_head")
class Shared2FCBBoxHead(BoxHead):
    """Two fully connected layers, shared by classification and regression.

    roi_feat_size: rows and columns of the RoI features (an int if they are equal). The input is [K, in_channels, rows,
    columns] or has another shape with as many numbers per RoI ([K, in_channels, N] of Semantic RoI Align). num_fcs,
    fc_out_channels: number of fully connected layers, and their outputs. Other arguments: see BoxHead.
    """

    def __init__(
        self,
        box_coder: part.box_coder,
        loss_cls: part.loss,
        loss_box: part.loss,
        num_classes: int = 80,
        in_channels: int = 256,
        roi_feat_size: int | tuple[int, int] = 7,
        fc_out_channels: int = 1024,
        reg_class_agnostic: bool = False,
        num_fcs: int = 2,
    ):
        super().__init__(box_coder, loss_cls, loss_box, num_classes, reg_class_agnostic)
        self.roi_feat_size = _pair(roi_feat_size)
        self.in_channels = in_channels
        widths = [in_channels * math.prod(self.roi_feat_size)] + [fc_out_channels] * num_fcs
        self.fcs = nn.ModuleList([nn.Linear(i, o) for i, o in zip(widths, widths[1:])])
        self.make_outputs(widths[-1], self.fcs)

    def execute(self, features):
        """[K, in_channels, ...] -> logits [K, C + 1] (or as many columns as the loss needs), deltas [K, 4 C] or [K, 4]."""
        per_roi = math.prod(features.shape[1:])
        expected = self.in_channels * self.roi_feat_size[0] * self.roi_feat_size[1]
        if per_roi != expected:
            raise ConfigError(
                f"{type(self).__name__}: RoI features of shape {list(features.shape)} have {per_roi} numbers per RoI, but "
                f"in_channels={self.in_channels} and roi_feat_size={self.roi_feat_size} make {expected}; set roi_feat_size "
                "to the extractor's output size"
            )
        x = features.reshape(features.shape[0], per_roi)
        for fc in self.fcs:
            x = nn.relu(fc(x))
        return self.cls(x), self.box(x)
