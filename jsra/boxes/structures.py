"""The data structures that the parts of a detector exchange: arrays of a whole batch, on the device.

Shape letters: B images; G the largest number of ground truths in an image, at least 1; I the largest number of ignored
regions in an image, at least 1; N candidates, P proposals, S samples, M detections per image.

Shapes are static, but the numbers differ between images: arrays are padded with zeros, and a count or a mask marks the valid
rows. Index -1 means none. Boxes are float32 xyxy in pixels of the padded input. Nothing here has a gradient.
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
    """The targets of a batch: iterates over the dicts of its images, and holds on the device what every part needs from them.

    sizes [B, 2], pad_sizes int32 [B, 2]: (width, height) of each image before and after its own padding. scales [B, 4]:
    factors that convert boxes to pixels of the original image. truth: GroundTruth, or None in evaluation.
    """

    def __init__(self, images: list, training: bool):
        """images: one dict per image, as completed by jsra.detectors.detector.Detector.complete."""
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
    """Region proposals, best first: boxes [B, P, 4], scores [B, P], valid int32 [B, P] (0: padding)."""

    boxes: jt.Var
    scores: jt.Var
    valid: jt.Var


class Matches(NamedTuple):
    """For N candidates: matched int32 [B, N] (-1: ignored, 0: background, g + 1: ground truth g); iou [B, N], the largest IoU
    with a ground truth."""

    matched: jt.Var
    iou: jt.Var


class Samples(NamedTuple):
    """The samples that a head is trained on: S candidates per image, positives first.

    boxes [B, S, 4]. index int32 [B, S]: their rows among the candidates. is_gt int32 [B, S]: 1 for a ground truth that was
    added to the candidates. gt_index int32 [B, S]: the ground truth of a positive, -1 for others; labels int32 [B, S] and
    gt_boxes [B, S, 4]: its class and box, 0 (background) and zeros for others. weights [B, S]: 1, or 0 for padding.
    iou [B, S]: the largest IoU with a ground truth. num_pos, count int32 [B]. max_pos: int, upper limit of num_pos.
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
    """The detections of a batch, at most M per image, best first.

    count int32 [B]. rows int32 [B, M]: the proposal that each was made from. rois [B * M, 5]: batch index (-1: padding) and
    the boxes in pixels of the padded input. fields: {name: Var [B, M, ...]} with boxes in pixels of the original image,
    scores, labels (1-based), and what the branches add.
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
    """boxes [B, N, 4], valid [B, N] -> RoIs [B * N, 5]; the batch index is -1 for padding."""
    images, count = valid.shape
    index = jt.arange(images).unsqueeze(1).broadcast([images, count])
    index = jt.ternary(valid > 0, index, -jt.ones_like(index)).float32()
    return jt.concat([index.unsqueeze(2), boxes], dim=2).reshape(images * count, 5).stop_grad()


def proposals_of(boxes: list) -> Proposals:
    """Proposals from a list of NumPy arrays [n, 4], one per image; all scores are 1."""
    boxes, count = _padded([as_boxes(b) for b in boxes])
    valid = first(count, boxes.shape[1])
    return Proposals(boxes, valid.float32(), valid)


def first(count, size: int):
    """int32 [B, size]: 1 for the first count[b] entries of row b, else 0."""
    images = count.shape[0]
    return (jt.arange(size).unsqueeze(0).broadcast([images, size]) < count.unsqueeze(1)).int32().stop_grad()


def _constant(array):
    return jt.array(array).stop_grad()


def _padded(rows: list):
    """A list of arrays [n, ...], one per image -> ([B, max(1, largest n), ...], count int32 [B])."""
    counts = np.array([len(row) for row in rows], np.int32)
    full = np.zeros((len(rows), max(1, counts.max()), *rows[0].shape[1:]), rows[0].dtype)
    for target, row in zip(full, rows):
        target[: len(row)] = row
    return _constant(full), _constant(counts)
