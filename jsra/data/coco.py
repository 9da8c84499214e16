"""Datasets in COCO's annotation format."""

from __future__ import annotations

import json
import os

from jsra.data.dataset import DetectionDataset, Record, label_map
from jsra.data.image import DataError
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
    """The parsed annotation file; ConfigError where it is not COCO's format."""
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
    'masks'. repeat: each image that often per epoch. metrics: what evaluate computes, 'bbox' and 'segm' (default: bbox,
    with segm if with_masks).
    Annotations as in mmdet: those marked `ignore`, without area, outside the image or of other classes are left out;
    crowds become bboxes_ignore.
    """

    def __init__(
        self,
        root,
        anno_file,
        transforms=None,
        batch_size=1,
        num_workers=0,
        shuffle=False,
        drop_last=False,
        filter_empty_gt=True,
        use_anno_cats=False,
        classes=None,
        filter_min_size=32,
        aspect_ratio_grouping=None,
        seed=0,
        with_masks=False,
        repeat=1,
        metrics=None,
    ):
        grouping = shuffle if aspect_ratio_grouping is None else aspect_ratio_grouping
        content = read_coco(anno_file)
        by_name = {c["name"]: c["id"] for c in content["categories"]}
        classes = classes or (list(by_name) if use_anno_cats else COCO_CLASSES)
        labels = label_map(classes, by_name, f"{anno_file}, which names {len(by_name)} categories")
        super().__init__(
            classes, transforms, batch_size, num_workers, shuffle, drop_last, grouping, seed, with_masks, repeat
        )
        self.root = data_path(root)
        self.anno_file = data_path(anno_file)
        self.cat_ids = [by_name[name] for name in labels]
        self.metrics = tuple(metrics or (("bbox", "segm") if with_masks else ("bbox",)))
        self.records = self._records(content)
        self._filter(filter_empty_gt, filter_min_size)

    def _records(self, content):
        to_label = {category: i + 1 for i, category in enumerate(self.cat_ids)}
        per_image = {image["id"]: [] for image in content["images"]}
        for annotation in content.get("annotations", ()):
            if annotation["image_id"] in per_image:
                per_image[annotation["image_id"]].append(annotation)
        records = []
        for image in sorted(content["images"], key=lambda i: i["id"]):
            width, height = image["width"], image["height"]
            boxes, labels, ignored, ignored_labels, segmentations = [], [], [], [], []
            for a in per_image[image["id"]]:
                box = usable_box(a, width, height)
                if box is None or a["category_id"] not in to_label:
                    continue
                if a.get("iscrowd", 0):
                    ignored.append(box)
                    ignored_labels.append(to_label[a["category_id"]])
                    continue
                boxes.append(box)
                labels.append(to_label[a["category_id"]])
                segmentations.append(a.get("segmentation"))
            file = os.path.join(self.root, image["file_name"])
            kept = segmentations if self.with_masks else None
            records.append(Record(image["id"], file, width, height, boxes, labels, ignored, ignored_labels, kept))
        return records

    def ground_truth(self):
        return read_coco(self.anno_file)


def usable_box(annotation, width, height):
    """xyxy of an annotation that training can use, else None. Raises DataError for a bbox that is not 4 numbers."""
    try:
        x, y, w, h = (float(v) for v in annotation["bbox"])
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"annotation {annotation.get('id')} of image id {annotation['image_id']} has the bbox "
            f"{annotation.get('bbox')!r}, not [x, y, width, height]; `jsra data check` lists all such problems"
        ) from None
    inside = min(x + w, width) > max(x, 0) and min(y + h, height) > max(y, 0)
    if annotation.get("ignore") or not inside or w < 1 or h < 1 or annotation.get("area", w * h) <= 0:
        return None
    return [x, y, x + w, y + h]
