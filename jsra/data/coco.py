"""Datasets in COCO's annotation format."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter

from jsra.arguments import part
from jsra.data.dataset import DetectionDataset, Record, label_map
from jsra.data.image import DataError
from jsra.data.masks import check_segmentation
from jsra.data.paths import data_path, existing_file
from jsra.registry import ConfigError, register

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


def read_coco(anno_file) -> dict:
    """The parsed annotation file at a resolved path (jsra.data.paths); ConfigError where it is not COCO's format."""
    path = existing_file(anno_file, "the annotation file")
    with open(path, encoding="utf8") as f:
        try:
            content = json.load(f)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path}: not valid JSON: {error}") from None
    content = content if isinstance(content, dict) else {}
    missing = [key for key in ("images", "categories") if key not in content]
    if missing:
        raise ConfigError(f"{path}: not a COCO annotation file: it has no {' and no '.join(missing)}")
    return content


@register("dataset")
class COCODataset(DetectionDataset):
    """Images in `root` and a COCO annotation file.

    transforms: list of transforms (or their dicts). batch_size: images per step, all processes together.
    shuffle: a new order per epoch, from `seed`; such a dataset is for training: every process gets equally many images.
    drop_last: leave an incomplete last batch out. filter_empty_gt: leave out images without an object of the classes,
    and those with a side under filter_min_size pixels (set it False for testing). Classes, whose order gives labels 1,
    2, ...: `classes`; else with use_anno_cats those of the file, in its order; else the 80 of COCO.
    aspect_ratio_grouping: a batch holds only wide or only tall images (default: as shuffle). with_masks: targets have
    'masks' (InstanceMasks). repeat: each image that often per epoch.
    Annotations as in mmdet: those marked `ignore`, without area, outside the image or of other classes are left out;
    crowds become bboxes_ignore. A segmentation that is none is left out, with a warning: its box stays.
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
    ):
        grouping = shuffle if aspect_ratio_grouping is None else aspect_ratio_grouping
        self.root, self.anno_file = data_path(root), data_path(anno_file)
        content = read_coco(self.anno_file)
        by_name = category_ids(content["categories"], self.anno_file)
        classes = classes or (list(by_name) if use_anno_cats else COCO_CLASSES)
        labels = label_map(classes, by_name, f"{self.anno_file}, which names {len(by_name)} categories")
        super().__init__(
            classes, transforms, batch_size, num_workers, shuffle, drop_last, grouping, seed, with_masks, repeat
        )
        self.cat_ids = [by_name[name] for name in labels]
        self.records = self._records(content)
        self._filter(filter_empty_gt, filter_min_size)

    def _records(self, content):
        to_label = {category: i + 1 for i, category in enumerate(self.cat_ids)}
        per_image = {image["id"]: [] for image in content["images"]}
        for annotation in content.get("annotations", ()):
            if annotation["image_id"] in per_image:
                per_image[annotation["image_id"]].append(annotation)
        records, bad_masks = [], []
        for image in sorted(content["images"], key=lambda i: i["id"]):
            width, height = image["width"], image["height"]
            boxes, labels, ignored, ignored_labels, segmentations = [], [], [], [], []
            for a in per_image[image["id"]]:
                box = usable_box(a, width, height)
                if box is None or a["category_id"] not in to_label:
                    continue
                if flag(a, "iscrowd"):
                    ignored.append(box)
                    ignored_labels.append(to_label[a["category_id"]])
                    continue
                boxes.append(box)
                labels.append(to_label[a["category_id"]])
                if self.with_masks:
                    segmentations.append(usable_mask(a, width, height, bad_masks))
            file = os.path.join(self.root, image["file_name"])
            kept = segmentations if self.with_masks else None
            records.append(Record(image["id"], file, width, height, boxes, labels, ignored, ignored_labels, kept))
        if bad_masks:
            warnings.warn(
                f"{self.anno_file}: {len(bad_masks)} segmentations cannot be used, and their objects have a box alone; the "
                f"first: {bad_masks[0]}; `jsra data check` lists all",
                stacklevel=3,
            )
        return records

    def ground_truth(self):
        return read_coco(self.anno_file)


def category_ids(categories, where) -> dict:
    """{name: id} in the file's order; ConfigError for a name or an id that appears twice, which would mix up labels."""
    for key in ("id", "name"):
        value, count = Counter(category[key] for category in categories).most_common(1)[0] if categories else (None, 0)
        if count > 1:
            raise ConfigError(f"{where}: {count} categories have the {key} {value!r}: give each its own {key}")
    return {category["name"]: category["id"] for category in categories}


def flag(annotation, key) -> bool:
    """A mark of an annotation, such as iscrowd: 0 or 1, absent or null for 0. DataError for anything else ('0' is text,
    which Python takes for true)."""
    value = annotation.get(key)
    if value is None or value in (0, 1):
        return bool(value)
    raise DataError(
        f"annotation {annotation.get('id')} of image id {annotation.get('image_id')} has {key}={value!r}; write 0 or 1"
    )


def usable_box(annotation, width, height):
    """xyxy of an annotation that training can use, else None. Raises DataError for a bbox or area that is no number."""
    bbox, area = annotation.get("bbox"), annotation.get("area")
    where = f"annotation {annotation.get('id')} of image id {annotation['image_id']} has the"
    if not isinstance(bbox, (list, tuple)) or len(bbox) != 4 or not all(isinstance(v, (int, float)) for v in bbox):
        raise DataError(
            f"{where} bbox {bbox!r}, not [x, y, width, height] in numbers; `jsra data check` lists all such problems"
        )
    if area is not None and not isinstance(area, (int, float)):
        raise DataError(f"{where} area {area!r}, not a number of pixels; `jsra data check` lists all such problems")
    x, y, w, h = bbox
    inside = min(x + w, width) > max(x, 0) and min(y + h, height) > max(y, 0)
    if flag(annotation, "ignore") or not inside or w < 1 or h < 1 or (area is not None and area <= 0):
        return None
    return [x, y, x + w, y + h]


def usable_mask(annotation, width, height, problems: list):
    """The segmentation of an annotation; None where it has none ([] is what exports of boxes alone write), and where it is
    none, which is then said in `problems`."""
    segmentation = annotation.get("segmentation") or None
    if segmentation is not None:
        try:
            check_segmentation(segmentation, width, height)
        except ValueError as error:
            problems.append(f"annotation {annotation.get('id')} of image id {annotation['image_id']}: {error}")
            return None
    return segmentation
