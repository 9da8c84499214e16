"""Datasets in COCO's annotation format."""

from __future__ import annotations

import os
from collections import Counter

from jsra.arguments import part
from jsra.data.check_entries import FRACTIONS, are_fractions
from jsra.data.classes import class_list
from jsra.data.coco_file import checksum, of_annotation, read_sound_coco
from jsra.data.dataset import DetectionDataset, Record, label_map
from jsra.data.image import DataError
from jsra.data.masks import FORM, is_empty, mask_problem
from jsra.data.paths import data_path, existing_file, text_of
from jsra.data.problems import error, refuse
from jsra.registry import ConfigError, register

UNUSABLE = "marked ignore, thinner than a pixel, without area or outside the image"
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


@register("dataset")
class COCODataset(DetectionDataset):
    """Images in `root` and a COCO annotation file, `anno_file`.

    transforms: list of transforms. batch_size: images per step, all processes together. num_workers:
    processes that load images; 0: this process.
    shuffle: a new order in each epoch, from `seed`; such a dataset is for training: every process gets the same number of
    images. drop_last: leave out an incomplete last batch. filter_empty_gt: leave out images without an object of the classes,
    and images with a side below filter_min_size pixels (set it to False for testing). Classes (their order gives labels 1, 2,
    ...): `classes`; otherwise, with use_anno_cats, those of the file in its order; otherwise the 80 of COCO.
    aspect_ratio_grouping: a batch has only wide or only tall images (default: the value of shuffle). with_masks: targets have
    'masks' (InstanceMasks). repeat: how often each image appears per epoch.
    image_ids: a text file with the ids of the images to use (default: all).
    Annotations are treated as in mmdet: those marked `ignore`, without area, outside the image or of other classes are left
    out; crowds become bboxes_ignore. Raises FileNotFoundError, DataError or ConfigError for files that cannot be used.
    """

    def __init__(
        self,
        root: str,
        anno_file: str,
        transforms: list[part.transform] | None = None,
        batch_size: int = 1,
        num_workers: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        filter_empty_gt: bool = True,
        use_anno_cats: bool = False,
        classes: tuple[str, ...] | None = None,
        filter_min_size: int = 32,
        aspect_ratio_grouping: bool | None = None,
        seed: int = 0,
        with_masks: bool = False,
        repeat: int = 1,
        image_ids: str | None = None,
    ):
        grouping = shuffle if aspect_ratio_grouping is None else aspect_ratio_grouping
        self.root, self.anno_file = data_path(root), data_path(anno_file)
        file = self.read()
        self._checksum = checksum(self.anno_file)
        if image_ids is not None:
            file = file._replace(images=listed_images(file.images, data_path(image_ids), self.anno_file))
        by_name = {name: number for number, name in file.categories.items()}
        own = "the default is COCO's 80 classes: name those of this file (classes=[...]), or set use_anno_cats=True; or "
        add = "add it to the categories of this file if only its objects are missing there"
        cure = f"; {'' if classes or use_anno_cats else own}{add}"
        classes = class_list(classes) or (tuple(by_name) if use_anno_cats else COCO_CLASSES)
        labels = label_map(classes, by_name, f"{self.anno_file}, which has {len(by_name)} categories", cure)
        super().__init__(
            classes, transforms, batch_size, num_workers, shuffle, drop_last, grouping, seed, with_masks, repeat
        )
        self.cat_ids = [by_name[name] for name in labels]
        self.records = self._records(file)
        self._filter(filter_empty_gt, filter_min_size)

    def _records(self, file):
        to_label = {category: i + 1 for i, category in enumerate(self.cat_ids)}
        records, problems, counts = [], [], Counter()
        for img_id in sorted(file.images, key=lambda i: (isinstance(i, str), i)):
            image = file.images[img_id]
            width, height = int(image["width"]), int(image["height"])
            boxes, labels, ignored, ignored_labels, segmentations = [], [], [], [], []
            for a in file.annotations[img_id]:
                box = usable_box(a, width, height)
                counts["all"] += 1
                counts["fractions"] += box is None and are_fractions(*corners(a["bbox"]))
                if box is None or a["category_id"] not in to_label:
                    counts["other" if a["category_id"] not in to_label else "unusable"] += 1
                    continue
                counts["beyond"] += goes_beyond(box, width, height)
                if a.get("iscrowd"):
                    ignored.append(box)
                    ignored_labels.append(to_label[a["category_id"]])
                    continue
                boxes.append(box)
                labels.append(to_label[a["category_id"]])
                segmentation = a.get("segmentation") or None  # exports without masks write []
                if self.with_masks and segmentation is not None:
                    problems += segmentation_problems(a, width, height)
                segmentations.append(segmentation)
            path = os.path.join(self.root, self.image_file(image))
            kept = segmentations if self.with_masks else None
            annotated = boxes, labels, ignored, ignored_labels, kept
            records.append(Record(img_id, path, width, height, *annotated, **self.fields(image)))
        refuse(self.anno_file, problems)
        self.notes += object_notes(counts)
        return records

    def read(self):
        """The annotation file, checked (jsra.data.coco_file.COCOFile)."""
        return read_sound_coco(self.anno_file)

    def image_file(self, image) -> str:
        """The file name of an image's entry, relative to the root."""
        return image["file_name"]

    def fields(self, image) -> dict:
        """Further fields of the record of an image's entry (jsra.data.dataset.FIELDS)."""
        return {}

    def ground_truth(self):
        """The content of the annotation file, which is read again: in memory it takes gigabytes. Raises DataError if it has
        been changed, because its ids and classes may be others."""
        if checksum(self.anno_file) != self._checksum:
            raise DataError(
                f"{self.anno_file} was changed after this program had read it: its annotations do not fit the results; start "
                "again (`jsra train --resume` continues), or bring the file back"
            )
        return self.read().content


def object_notes(counts) -> list:
    """Lines for the log about objects that were left out or are doubtful. counts: numbers of all objects, of those of other
    classes (other), without a usable box (unusable), of these with fractions (fractions), and beyond the image (beyond)."""
    lines = []
    if counts["other"]:
        lines.append(f"{counts['other']} of {counts['all']} objects are of other classes: left out")
    if counts["unusable"]:
        lines.append(f"{counts['unusable']} of {counts['all']} objects are {UNUSABLE}: left out")
    if counts["fractions"]:
        lines.append(f"{counts['fractions']} of {counts['all']} boxes are {FRACTIONS}")
    if counts["beyond"]:
        lines.append(
            f"{counts['beyond']} of {counts['all']} boxes exceed their image by more than a pixel: `jsra data check` "
            "lists them; a bbox is [x, y, width, height]"
        )
    return lines


def listed_images(images, path, anno_file) -> dict:
    """The images {id: entry} whose ids a text file lists. Raises ConfigError for an id that is not among them, or no id."""
    wanted = set(text_of(existing_file(path, "the list of image ids")).split())
    if not wanted:
        raise ConfigError(f"image_ids: {path} lists no image; write their ids, separated by spaces or lines")
    absent = sorted(wanted - set(map(str, images)))
    if absent:
        raise ConfigError(
            f"{path} lists {len(absent)} images that {anno_file} does not have, such as {absent[0]!r}; image_ids is a "
            "file of ids, separated by spaces or lines"
        )
    return {img_id: entry for img_id, entry in images.items() if str(img_id) in wanted}


def usable_box(annotation, width, height):
    """The box xyxy of a valid annotation, or None if training cannot use it."""
    x, y, w, h = annotation["bbox"]
    inside = min(x + w, width) > max(x, 0) and min(y + h, height) > max(y, 0)
    area = annotation.get("area")
    if annotation.get("ignore") or not inside or w < 1 or h < 1 or (area is not None and area <= 0):
        return None
    return corners(annotation["bbox"])


def corners(bbox) -> list:
    """The box xyxy of [x, y, width, height]."""
    x, y, w, h = bbox
    return [x, y, x + w, y + h]


def goes_beyond(box, width, height) -> bool:
    """Whether a box xyxy extends more than one pixel beyond its image."""
    return min(box[0], box[1], width - box[2], height - box[3]) < -1


def segmentation_problems(annotation, width, height) -> list:
    """Why the mask of an annotation cannot be used in training or evaluation: [] or a list with one problem."""
    segmentation = annotation["segmentation"]
    what = mask_problem(segmentation, width, height)
    if what is None and is_empty(segmentation, width, height):
        what = "it has no pixel" if isinstance(segmentation, dict) else "it is completely outside the image"
    if what is None:
        return []
    cure = f"{'write it in this form' if what.startswith(FORM) else 'draw the mask again'}, or remove the segmentation"
    return [error(of_annotation(annotation), f"segmentation: {what}", cure)]
