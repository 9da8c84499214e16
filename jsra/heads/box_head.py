"""The box head: RoI features -> class logits and box deltas, their losses, and detections.

Shape letters: K RoIs; C classes (1 to C; column 0 of the logits is the background).
"""

from __future__ import annotations

import math

import jittor as jt
import numpy as np
from jittor import nn

from jsra.boxes.convert import as_boxes
from jsra.boxes.detections import DetectionSelector
from jsra.registry import register


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


@register("head")
class Shared2FCBBoxHead(nn.Module):
    """Two fully connected layers, shared by classification and regression.

    roi_feat_size: rows and columns of the RoI features (an int for squares); the input is [K, in_channels, rows, columns]
    or anything of as many numbers per RoI ([K, in_channels, N] of Semantic RoI Align). box_coder, loss_cls, loss_box: built
    objects; loss_box works on deltas. reg_class_agnostic: one box per RoI instead of one per class: columns 4 * (c - 1) of
    class c. num_fcs: fully connected layers.
    """

    def __init__(
        self, box_coder, loss_cls, loss_box, num_classes=80, in_channels=256, roi_feat_size=7, fc_out_channels=1024,
        reg_class_agnostic=False, num_fcs=2,
    ):  # fmt: skip
        super().__init__()
        self.box_coder = box_coder
        self.loss_cls = loss_cls
        self.loss_box = loss_box
        self.num_classes = num_classes
        self.reg_class_agnostic = reg_class_agnostic
        self.roi_feat_size = _pair(roi_feat_size)
        self.in_channels = in_channels
        rows, columns = self.roi_feat_size
        widths = [in_channels * rows * columns] + [fc_out_channels] * num_fcs
        self.fcs = nn.ModuleList([nn.Linear(i, o) for i, o in zip(widths, widths[1:])])
        self.cls = nn.Linear(widths[-1], num_classes + 1)
        self.box = nn.Linear(widths[-1], 4 if reg_class_agnostic else 4 * num_classes)
        for fc in self.fcs:
            jt.init.xavier_uniform_(fc.weight)
        jt.init.gauss_(self.cls.weight, 0.0, 0.01)
        jt.init.gauss_(self.box.weight, 0.0, 0.001)
        for fc in list(self.fcs) + [self.cls, self.box]:
            jt.init.constant_(fc.bias, 0.0)

    def execute(self, features):
        """[K, in_channels, ...] -> logits [K, C + 1], deltas [K, 4 C] or [K, 4]."""
        per_roi = math.prod(features.shape[1:])
        expected = self.in_channels * self.roi_feat_size[0] * self.roi_feat_size[1]
        if per_roi != expected:
            raise ValueError(
                f"{type(self).__name__}: RoI features of shape {list(features.shape)} have {per_roi} numbers per RoI, but "
                f"in_channels={self.in_channels} and roi_feat_size={self.roi_feat_size} make {expected}; set roi_feat_size "
                "to the extractor's output size"
            )
        x = features.reshape(features.shape[0], per_roi)
        for fc in self.fcs:
            x = nn.relu(fc(x))
        return self.cls(x), self.box(x)

    def targets(self, samples, target):
        """One image's samples and target -> labels int32 [n] and deltas [num_pos, 4]."""
        labels = np.zeros(len(samples.boxes), np.int32)
        labels[: samples.num_pos] = np.asarray(target["labels"]).reshape(-1)[samples.gt_index]
        gt = as_boxes(target["bboxes"])[samples.gt_index]
        return labels, self.box_coder.encode(samples.boxes[: samples.num_pos], gt).astype(np.float32)

    def losses(self, logits, deltas, samples, targets):
        """logits, deltas of all samples of the batch, image by image; samples: a Samples per image.

        Returns {loss_cls, loss_box}: both divided by the number of samples, positives and negatives (mmdet's).
        """
        pairs = [self.targets(s, t) for s, t in zip(samples, targets)]
        labels = np.concatenate([p[0] for p in pairs])
        wanted = np.concatenate([p[1] for p in pairs])
        starts = np.cumsum([0] + [len(s.boxes) for s in samples])
        positive = np.concatenate([start + np.arange(s.num_pos) for start, s in zip(starts, samples)]).astype(np.int64)
        count = max(len(labels), 1)
        losses = {"loss_cls": self.loss_cls(logits, jt.array(labels), avg_factor=count)}
        if len(positive):
            first = 0 if self.reg_class_agnostic else 4 * (labels[positive].astype(np.int64) - 1)
            index = (positive * deltas.shape[1] + first)[:, None] + np.arange(4)
            chosen = deltas.reshape(-1)[jt.array(index.reshape(-1).astype(np.int32))]
            losses["loss_box"] = self.loss_box(chosen, jt.array(wanted.reshape(-1)), avg_factor=count)
        else:
            losses["loss_box"] = deltas.sum() * 0.0
        return losses

    def detections(self, scores, deltas, boxes, image_size, scale, selector: DetectionSelector):
        """One image, NumPy: class probabilities [n, C + 1], deltas, proposals [n, 4] -> boxes, scores, labels, rows.

        image_size (w, h) of the input, which boxes are clipped to; scale (x, y): from there to the original pixels, in
        which NMS runs and the boxes are returned.
        """
        factor = np.array([*scale, *scale], np.float32)

        def boxes_of(rows, classes):
            first = np.zeros_like(classes) if self.reg_class_agnostic else 4 * (classes - 1)
            chosen = deltas[rows[:, None], first[:, None] + np.arange(4)]
            decoded = self.box_coder.decode(boxes[rows], chosen, (image_size[1], image_size[0]))
            return as_boxes(decoded) * factor

        return selector.select(scores, boxes_of)
