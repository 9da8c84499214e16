"""Datasets in Pascal VOC's format: Annotations/*.xml, ImageSets/Main/*.txt, JPEGImages/*.jpg."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

from jsra.arguments import part
from jsra.data.dataset import DetectionDataset, Record, label_map
from jsra.data.image import DataError
from jsra.data.paths import data_path, existing_file
from jsra.registry import ConfigError, register

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def read_xml(path) -> dict:
    """{file, width, height, objects: [{name, box (4 numbers as in the file), difficult, track}]} of one annotation file.

    track: the number of the object in its video, -1 where the file gives none.

    Raises DataError, naming the file, for one that is absent, broken or incomplete.
    """
    try:
        root = ElementTree.parse(path).getroot()
        size = root.find("size")
        objects = []
        for node in root.findall("object"):
            box = node.find("bndbox")
            objects.append({
                "name": node.findtext("name").strip(),
                "box": [float(box.findtext(k)) for k in ("xmin", "ymin", "xmax", "ymax")],
                "difficult": int(node.findtext("difficult") or 0) == 1,
                "track": int(node.findtext("trackid") or -1),
            })  # fmt: skip
        return {
            "file": root.findtext("filename"), "objects": objects,
            "width": int(size.findtext("width")), "height": int(size.findtext("height")),
        }  # fmt: skip
    except FileNotFoundError:
        raise DataError(f"annotation {path} is not there; remove it from the image set") from None
    except (ElementTree.ParseError, AttributeError, TypeError, ValueError) as error:
        raise DataError(f"annotation {path} cannot be read as VOC XML: {error}") from None


def voc_sets(root, image_set):
    """[(folder, image set)] of the arguments of a VOCDataset."""
    roots = [data_path(r) for r in ([root] if isinstance(root, str) else root)]
    sets = [image_set] * len(roots) if isinstance(image_set, str) else list(image_set)
    if len(sets) != len(roots):
        raise ConfigError(f"VOCDataset: {len(roots)} roots and {len(sets)} image sets")
    return list(zip(roots, sets))


def voc_entries(sets):
    """(image id, annotation file, image folder) of each line of the image sets.

    The id is the line's name, behind as much of its folder's path as tells several folders apart.
    """
    out = []
    for (root, image_set), prefix in zip(sets, _prefixes([root for root, _ in sets])):
        listing = existing_file(os.path.join(root, "ImageSets", "Main", f"{image_set}.txt"), "the image set")
        with open(listing, encoding="utf8") as f:
            for line in f:
                if line.strip():
                    name = line.split()[0]
                    annotation = os.path.join(root, "Annotations", f"{name}.xml")
                    out.append((prefix + name, annotation, os.path.join(root, "JPEGImages")))
    return out


def _prefixes(roots):
    """For each of several folders the end of its path, as short as tells the different ones apart, with a '/'."""
    if len(roots) == 1:
        return [""]
    parts = [os.path.abspath(root).strip(os.sep).split(os.sep) for root in roots]
    different = len(set(map(tuple, parts)))
    length = next(n for n in range(1, max(map(len, parts)) + 1) if len({tuple(p[-n:]) for p in parts}) == different)
    return ["/".join(p[-length:]) + "/" for p in parts]


def voc_image(folder, name, content):
    """The image of an annotation file: of its own name, with the extension of the picture that it names, or .jpg.

    A picture of another name is taken only where there is none of its own.
    """
    stem = name.split("/")[-1]
    named = os.path.basename(content["file"] or "")
    candidates = [stem + os.path.splitext(named)[1], f"{stem}.jpg", named]
    return next((p for p in (os.path.join(folder, c) for c in candidates if c) if os.path.isfile(p)), f"{folder}/{stem}.jpg")


@register("dataset")
class VOCDataset(DetectionDataset):
    """One or several VOC folders and image sets.

    root: a folder with Annotations, ImageSets/Main and JPEGImages, or a list of them; image_set: e.g. 'trainval', or
    one per root: root=['data/VOCdevkit/VOC2007', 'data/VOCdevkit/VOC2012'], image_set='trainval'.
    classes: their order gives labels 1, 2, ...; the 20 of VOC by default. Objects of other classes are left out.
    one_based: VOC counts pixels from 1 and includes the last: its box (1, 1, W, H) is the whole image. A box becomes
    (xmin - 1, ymin - 1, xmax, ymax), whose plain IoU is the IoU of VOC's own devkit. False: boxes as they stand.
    Difficult objects, and with box_min_size those with a side under so many pixels, become bboxes_ignore.
    Other arguments as for COCODataset.
    """

    default_evaluator = "VOCBoxAP"

    def __init__(
        self,
        root: str,
        image_set: str = "trainval",
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
            classes or VOC_CLASSES,
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
        records, seen = [], {}
        for name, annotation, folder in voc_entries(sets):
            content = read_xml(annotation)
            boxes, labels, ignored, ignored_labels = [], [], [], []
            for item in content["objects"]:
                if item["name"] not in labels_of:
                    continue
                box = self.box(item["box"], content["width"], content["height"])
                width, height = box[2] - box[0], box[3] - box[1]
                if width <= 0 or height <= 0:
                    continue
                if item["difficult"] or min(width, height) < (self.box_min_size or 0):
                    ignored.append(box)
                    ignored_labels.append(labels_of[item["name"]])
                else:
                    boxes.append(box)
                    labels.append(labels_of[item["name"]])
            file = voc_image(folder, name, content)
            if seen.setdefault(file, name) != name:
                raise ConfigError(
                    f"VOCDataset: the annotations of {seen[file]} and {name} both read {file}; correct <filename>"
                )
            size = content["width"], content["height"]
            records.append(Record(name, file, *size, boxes, labels, ignored, ignored_labels))
        return records

    def box(self, box, width, height):
        """xyxy in continuous coordinates, cut at the image's border."""
        x0, y0, x1, y1 = box
        shift = 1 if self.one_based else 0
        return [max(x0 - shift, 0), max(y0 - shift, 0), min(x1, width), min(y1, height)]
