"""What the parts of a detector hand to one another: arrays of a whole batch, on the device.

Shape letters: B images; G ground truths of the image with most, at least 1; I regions to ignore of the image with most, at
least 1; N candidates, P proposals, S samples, M detections of an image.

Shapes are static, numbers differ from image to image: what is missing is padded with zeros, and a count or a mask says what
is real. An index of -1 means none. Boxes are float32 xyxy in pixels of the padded input. Nothing here has a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jittor as jt
import numpy as np

from jsra.boxes.convert import as_boxes


class GroundTruth(NamedTuple):
    """boxes [B, G, 4], labels int32 [B, G] (1-based), count int32 [B]; ignored [B, I, 4], ignored_count int32 [B]."""

    boxes: jt.Var
    labels: jt.Var
    count: jt.Var
    ignored: jt.Var
    ignored_count: jt.Var


class Targets:
    """The targets of a batch: dicts, over which it iterates, and on the device what every part needs of them.

    sizes [B, 2], pad_sizes int32 [B, 2]: (width, height) of each image before and after its own padding. scales: [B, 4],
    what boxes are multiplied with for pixels of the original image. truth: GroundTruth, or None in evaluation.
    """

    def __init__(self, images: list, training: bool):
        """images: a complete dict each (jsra.detectors.detector.Detector.complete)."""
        self.images = images
        sizes, original = (np.array([t[key] for t in images], np.float32) for key in ("img_size", "ori_img_size"))
        pads = [t["img_size"] if t.get("pad_shape") is None else t["pad_shape"] for t in images]
        self.sizes, self.pad_sizes = _constant(sizes), _constant(np.array(pads, np.int32))
        self.scales = _constant(np.tile(original / sizes, 2))
        self.truth = None
        if training:
            boxes, count = _padded([as_boxes(t["bboxes"]) for t in images])
            labels, _ = _padded([np.asarray(t["labels"], np.int32).reshape(-1) for t in images])
            self.truth = GroundTruth(boxes, labels, count, *_padded([as_boxes(t.get("bboxes_ignore")) for t in images]))

    def __len__(self):
        return len(self.images)

    def __iter__(self):
        return iter(self.images)


class Proposals(NamedTuple):
    """Where objects may be, best first: boxes [B, P, 4], scores [B, P], valid int32 [B, P], 0 where there is none."""

    boxes: jt.Var
    scores: jt.Var
    valid: jt.Var


class Matches(NamedTuple):
    """Of N candidates: matched int32 [B, N] (-1 ignored, 0 background, g + 1 ground truth g); iou [B, N], the largest."""

    matched: jt.Var
    iou: jt.Var


class Samples(NamedTuple):
    """What a head trains on: S candidates of each image, positives first.

    boxes [B, S, 4]. index int32 [B, S]: their rows among the candidates. is_gt int32 [B, S]: 1 for a ground truth that was
    added to the candidates. gt_index int32 [B, S]: the ground truth of each positive, -1 for others; labels int32 [B, S] and
    gt_boxes [B, S, 4] of it, 0 (background) and zeros for others. weights [B, S]: 1, and 0 where there is no sample.
    iou [B, S]: the largest of each. num_pos, count int32 [B]. max_pos: an int, more positives than this there cannot be.
    """

    boxes: jt.Var
    index: jt.Var
    is_gt: jt.Var
    gt_index: jt.Var
    gt_boxes: jt.Var
    labels: jt.Var
    weights: jt.Var
    iou: jt.Var
    num_pos: jt.Var
    count: jt.Var
    max_pos: int


@dataclass
class Results:
    """The detections of a batch, M an image, best first.

    count int32 [B]. rows int32 [B, M]: the proposal of each. rois [B * M, 5]: the boxes in pixels of the input, batch index
    -1 where there is none. fields: {name: Var [B, M, ...]} of what the result of an image holds: boxes in pixels of the
    original image, scores, labels (1-based), and what the branches add.
    """

    count: jt.Var
    rows: jt.Var
    rois: jt.Var
    fields: dict = field(default_factory=dict)


def take(values, index):
    """Rows of values [B, N, ...], or [1, N, ...] for all images, by index int32 [B, M] -> [B, M, ...]; zeros for -1."""
    images, count = index.shape
    image = "i0" if values.shape[0] == images else "0"
    others = [f"i{axis}" for axis in range(2, values.ndim)]
    shape = [images, count, *values.shape[2:]]
    return values.reindex(shape, [image, "@e0(i0,i1)", *others], extras=[index]).stop_grad()


def rois_of(boxes, valid):
    """boxes [B, N, 4], valid [B, N] -> RoIs [B * N, 5]; the batch index is -1 where there is no box."""
    images, count = valid.shape
    index = jt.arange(images).unsqueeze(1).broadcast([images, count])
    index = jt.ternary(valid > 0, index, -jt.ones_like(index)).float32()
    return jt.concat([index.unsqueeze(2), boxes], dim=2).reshape(images * count, 5).stop_grad()


def proposals_of(boxes: list) -> Proposals:
    """Proposals from NumPy arrays [n, 4], one for each image; their scores are 1."""
    boxes, count = _padded([as_boxes(b) for b in boxes])
    valid = first(count, boxes.shape[1])
    return Proposals(boxes, valid.float32(), valid)


def first(count, size: int):
    """int32 [B, size]: 1 for the first count [B] of each row."""
    images = count.shape[0]
    return (jt.arange(size).unsqueeze(0).broadcast([images, size]) < count.unsqueeze(1)).int32().stop_grad()


def _constant(array):
    return jt.array(array).stop_grad()


def _padded(rows: list):
    """Arrays [n, ...] of each image -> ([B, most, ...], count int32 [B]), at least one row each."""
    counts = np.array([len(row) for row in rows], np.int32)
    full = np.zeros((len(rows), max(1, counts.max()), *rows[0].shape[1:]), rows[0].dtype)
    for target, row in zip(full, rows):
        target[: len(row)] = row
    return _constant(full), _constant(counts)
