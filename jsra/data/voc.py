"""Datasets in Pascal VOC's format: Annotations/*.xml, ImageSets/Main/*.txt, JPEGImages/*.jpg."""

from __future__ import annotations

from collections import Counter

from jsra.arguments import part
from jsra.data.classes import class_list
from jsra.data.dataset import DetectionDataset, Record, label_map
from jsra.data.problems import refuse
from jsra.data.voc_file import read_xml, voc_entries, voc_image, voc_sets
from jsra.registry import ConfigError, register

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


@register("dataset")
class VOCDataset(DetectionDataset):
    """One or several VOC folders and image sets.

    root: a folder with Annotations, ImageSets/Main and JPEGImages, or a list of them; image_set: e.g. 'trainval', or
    one per root: root=['data/VOCdevkit/VOC2007', 'data/VOCdevkit/VOC2012'], image_set='trainval'.
    classes: their order gives labels 1, 2, ...; default: the 20 of VOC. Objects of other classes are left out.
    one_based: VOC counts pixels from 1 and includes the last: its box (1, 1, W, H) is the whole image. A box becomes
    (xmin - 1, ymin - 1, xmax, ymax); the usual IoU of such boxes is the IoU of VOC's devkit. False: boxes are not changed.
    Difficult objects, and with box_min_size objects with a smaller side (pixels), become bboxes_ignore.
    Other arguments: see COCODataset.
    """

    default_evaluator = "VOCBoxAP"

    def __init__(
        self,
        root: str | tuple[str, ...],
        image_set: str | tuple[str, ...] = "trainval",
        transforms: list[part.transform] | None = None,
        batch_size: int = 1,
        num_workers: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        filter_empty_gt: bool = True,
        classes: tuple[str, ...] | None = None,
        filter_min_size: int = 32,
        box_min_size: float | None = None,
        one_based: bool = True,
        aspect_ratio_grouping: bool | None = None,
        seed: int = 0,
        repeat: int = 1,
    ):
        grouping = shuffle if aspect_ratio_grouping is None else aspect_ratio_grouping
        super().__init__(
            class_list(classes) or VOC_CLASSES,
            transforms,
            batch_size,
            num_workers,
            shuffle,
            drop_last,
            grouping,
            seed,
            False,
            repeat,
        )
        self.cat_ids = list(range(1, len(self.CLASSES) + 1))
        self.one_based = one_based
        self.box_min_size = box_min_size
        self.records = self._records(voc_sets(root, image_set))
        self._filter(filter_empty_gt, filter_min_size)

    def _records(self, sets):
        labels_of = label_map(self.CLASSES, self.CLASSES, "VOCDataset.classes")
        records, seen, problems, others, unusable = [], {}, [], Counter(), 0
        for name, annotation, picture in voc_entries(sets):
            content, found = read_xml(annotation, f"image {name}")
            problems += found
            if found:
                continue
            boxes, labels, ignored, ignored_labels = [], [], [], []
            for item in content["objects"]:
                if item["name"] not in labels_of:
                    others[item["name"]] += 1
                    continue
                box = self.box(item["box"], content["width"], content["height"])
                width, height = box[2] - box[0], box[3] - box[1]
                if width <= 0 or height <= 0:
                    unusable += 1
                    continue
                if item["difficult"] or min(width, height) < (self.box_min_size or 0):
                    ignored.append(box)
                    ignored_labels.append(labels_of[item["name"]])
                else:
                    boxes.append(box)
                    labels.append(labels_of[item["name"]])
            file = voc_image(picture, content)
            if seen.setdefault(file, name) != name:
                raise ConfigError(
                    f"VOCDataset: the annotations of {seen[file]} and {name} both read {file}; correct <filename>"
                )
            size = content["width"], content["height"]
            records.append(Record(name, file, *size, boxes, labels, ignored, ignored_labels))
        refuse("VOCDataset", problems)
        if unusable:
            self.notes.append(f"{unusable} objects have no box in their image, or an empty or inverted one: left out")
        if others:
            listed = ", ".join(f"{name!r} {count}" for name, count in others.most_common(6))
            more = ", ..." if len(others) > 6 else ""
            own = "; the default are the 20 classes of VOC: classes=[...] selects others"
            cure = own if self.CLASSES == VOC_CLASSES else ""
            self.notes.append(f"{sum(others.values())} objects are of other classes, left out: {listed}{more}{cure}")
        return records

    def box(self, box, width, height):
        """The box xyxy in continuous coordinates, clipped to the image."""
        x0, y0, x1, y1 = box
        shift = 1 if self.one_based else 0
        return [max(x0 - shift, 0), max(y0 - shift, 0), min(x1, width), min(y1, height)]
