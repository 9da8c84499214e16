"""Finds out which detections of an image are right, and the kind of error of the others.

The kinds of errors are those of TIDE (Bolya et al. 2020), with IoU 0.5 for a hit and 0.1 for 'near':

    class       hits an object of another class
    place       near an object of its class, but no hit
    both        near an object of another class, but no hit
    twice       hits an object of its class that a better detection has found
    background  near no object
    missed      an object without any detection that finds it, or would find it with a corrected class or place
"""

from __future__ import annotations

import dataclasses

import numpy as np
from pycocotools import mask as coco_mask

from jsra.evaluation.coco_ap import image_numbers

KINDS = ("class", "place", "both", "twice", "background", "missed")
RIGHT, IGNORED = "right", "ignored"
HIT, NEAR = 0.5, 0.1
MOST = 100  # detections of each class in an image, as in COCO's evaluation
MOST_LVIS = 300  # detections of all classes in an image, as in that of LVIS


@dataclasses.dataclass
class Image:
    """The objects and detections (best first) of an image, and their matches.

    boxes [n, 4], labels [n] of the objects; ignored [m, 4], ignored_labels [m] of crowds; found_boxes [d, 4], scores [d],
    found_labels [d] of the detections: xyxy in pixels, labels from 1. kinds [d]: one of KINDS, RIGHT or IGNORED. objects
    int [d]: the object that a detection found or should have found, -1 for none. missed bool [n]; hit bool [n].
    """

    img_id: object
    file: str
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    ignored_labels: np.ndarray
    found_boxes: np.ndarray
    scores: np.ndarray
    found_labels: np.ndarray
    size: tuple | None = None  # (width, height) in which the annotations are made, as jsra.data.image.read_image takes it
    complete: tuple | None = None  # labels whose objects are all annotated, where not all are (LVIS); None: all labels

    def __post_init__(self):
        order = np.argsort(-self.scores, kind="stable")
        if self.complete is None:
            order = order[_first(self.found_labels[order], MOST)]
        else:
            order = order[:MOST_LVIS]
        self.found_boxes, self.scores = self.found_boxes[order], self.scores[order]
        self.found_labels = self.found_labels[order]
        self.ious = overlaps(self.found_boxes, self.boxes)
        self.kinds = np.full(len(order), "", object)
        self.objects = np.full(len(order), -1)
        self.hit = np.zeros(len(self.boxes), bool)
        crowds = overlaps(self.found_boxes, self.ignored, crowd=True)
        for d, label in enumerate(self.found_labels):
            self._match(d, self.labels == label, crowds[d, self.ignored_labels == label])
        wanted = {o for o, kind in zip(self.objects, self.kinds) if kind in ("class", "place")}
        self.missed = np.array([not hit and i not in wanted for i, hit in enumerate(self.hit)], bool)

    def _match(self, d, same, crowds):
        """same bool [n]: the objects of the detection's class; crowds: overlaps of the detection with ignored regions."""
        free = np.where(same & ~self.hit, self.ious[d], -1.0)
        if free.size and free.max() >= HIT:
            self.objects[d] = free.argmax()
            self.hit[self.objects[d]] = True
            self.kinds[d] = RIGHT
        elif crowds.size and crowds.max() >= HIT:
            self.kinds[d] = IGNORED
        elif self.complete is not None and self.found_labels[d] not in self.complete:
            self.kinds[d] = IGNORED  # it may be right: nobody looked for all objects of this class here
        else:
            self.kinds[d] = self._error(d, same)

    def _error(self, d, same):
        own, other = (np.where(chosen, self.ious[d], -1.0) for chosen in (same, ~same))
        best_own, best_other = own.max(initial=-1.0), other.max(initial=-1.0)
        if NEAR <= best_own < HIT:
            self.objects[d] = own.argmax()
            return "place"
        if best_other >= HIT:
            self.objects[d] = other.argmax()
            return "class"
        if best_own >= HIT:
            return "twice"
        return "both" if best_other >= NEAR else "background"


def _first(labels, most: int) -> np.ndarray:
    """bool [d]: whether each label is among the first `most` of its kind."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[:most]] = True
    return chosen


def overlaps(found, boxes, crowd=False) -> np.ndarray:
    """IoU [d, n] of xyxy boxes; with crowd, the fraction of the detection inside the crowd region."""
    if not len(found) or not len(boxes):
        return np.zeros((len(found), len(boxes)))
    sides = [np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], axis=1).astype(float) for b in (found, boxes)]
    return np.asarray(coco_mask.iou(*sides, [int(crowd)] * len(boxes)))


def images_of(dataset, detections, truth=None) -> list:
    """The Images for a dataset (jsra.data) and detections in COCO's result format, in the order of COCO's AP (that of the
    ids), which decides where scores are equal.

    truth: dataset.ground_truth(), which has all objects that count in AP, also those that a training leaves out.
    """
    truth = dataset.ground_truth() if truth is None else truth
    found, own, crowds = ({record.img_id: [] for record in dataset.records} for _ in range(3))
    label = {category: i + 1 for i, category in enumerate(dataset.cat_ids)}
    for d in detections:
        found[d["image_id"]].append((d["bbox"], label[d["category_id"]], d["score"]))
    for a in truth.get("annotations", ()):
        if a["image_id"] in own and a["category_id"] in label:
            (crowds if a.get("iscrowd") else own)[a["image_id"]].append((a["bbox"], label[a["category_id"]], 1.0))
    images, number = [], image_numbers(truth["images"])
    for record in sorted(dataset.records, key=lambda record: number[record.img_id]):
        boxes, labels, _ = _arrays(own[record.img_id])
        ignored, ignored_labels, _ = _arrays(crowds[record.img_id])
        found_boxes, found_labels, scores = _arrays(found[record.img_id])
        objects = boxes, labels, ignored, ignored_labels, found_boxes, scores, found_labels
        size = record.width, record.height
        images.append(Image(record.img_id, record.file, *objects, size, _complete(record, labels)))
    return images


def _arrays(rows) -> tuple:
    """(boxes xyxy [n, 4], labels [n], scores [n]) of [(box xywh, label, score)]."""
    xywh = np.array([box for box, _, _ in rows], float).reshape(-1, 4)
    labels, scores = np.array([row[1] for row in rows], int), np.array([row[2] for row in rows], float)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1), labels, scores


def _complete(record, labels):
    """The labels of which every object is annotated, if the record says so (LVIS: jsra.data.dataset.FIELDS), else None."""
    fields = record.fields or {}
    if "negative_labels" not in fields:
        return None
    known = {*map(int, labels), *fields["negative_labels"]}
    return tuple(known - set(fields.get("not_exhaustive_labels") or ()))
