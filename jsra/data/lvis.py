"""LVIS (v1 and v0.5): COCO's images and format, 1,200 categories; each image is annotated for only some of them."""

from __future__ import annotations

import math
from collections import Counter

from jsra.arguments import part, short
from jsra.data.coco import COCODataset
from jsra.data.coco_file import COCOFile, file_name, is_id, read_coco
from jsra.data.problems import error, refuse
from jsra.registry import ConfigError, register

NAMES = ("coco_url", "file_name")  # keys with an image's file; v1 has only the first
FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}  # in 1 to 10, 11 to 100, more training images
KNOWN = {"neg_category_ids": "negative_labels", "not_exhaustive_category_ids": "not_exhaustive_labels"}


def image_file(image) -> str:
    """train2017/000000000009.jpg or val2017/...: a split of LVIS has images of both folders of COCO."""
    url = file_name(image, NAMES[:1])
    return "/".join(url.split("/")[-2:]) if url else image["file_name"]


def read_lvis(path) -> COCOFile:
    """Like jsra.data.coco_file.read_coco, but also checks the keys that only LVIS has: each category's frequency (r, c or f),
    each image's neg_category_ids (absent) and not_exhaustive_category_ids (not every object is annotated)."""
    file = read_coco(path, NAMES)
    for entry in file.content["categories"] if isinstance(file.content["categories"], list) else ():
        if isinstance(entry, dict) and str(entry.get("frequency")) not in FREQUENCIES:
            what = f"frequency is {short(entry.get('frequency'))}"
            file.problems.append(error(f"category id {entry.get('id')}", what, "write r, c or f, or use COCODataset"))
    if not file.content.get("annotations"):
        return file  # the image list of the test set does not have these keys
    for img_id, image in file.images.items():
        for key in KNOWN:
            listed = image.get(key)
            wrong = None if not isinstance(listed, list) else [c for c in listed if not is_id(c) or c not in file.categories]
            if wrong or wrong is None:
                what = f"{key} names {short(wrong)}, not listed" if wrong else f"{key} is {short(listed)}"
                file.problems.append(error(f"image id {img_id}", what, "write a list of ids of categories"))
    return file


def repeat_factors(labels, threshold: float) -> list:
    """How often each image appears in an epoch, from the labels of its objects: r(I) = max over c of max(1, sqrt(t / f(c))).

    f(c) is the fraction of images with an object of class c, t the threshold (LVIS, Gupta et al. 2019, appendix). r(I) is
    rounded up, as in mmdet's ClassBalancedDataset, so every epoch has the same number of images.
    """
    present = [set(map(int, of_image)) for of_image in labels]
    counts = Counter(label for of_image in present for label in of_image)
    factor = {label: max(1.0, math.sqrt(threshold * len(present) / count)) for label, count in counts.items()}
    return [math.ceil(max((factor[label] for label in of_image), default=1.0)) for of_image in present]


@register("dataset")
class LVISDataset(COCODataset):
    """LVIS v1 or v0.5 with its own annotation file, `anno_file`. root: the folder with train2017 and val2017 of COCO.

    classes: default: those of the file. oversample_threshold: images of rare classes appear more often in an epoch (see
    `repeat_factors`); 0.001 in LVIS's recipe; None: no oversampling. Targets have negative_labels and not_exhaustive_labels;
    `frequencies` is {class: 'rare', 'common' or 'frequent'}. Other arguments: see COCODataset.
    """

    default_evaluator = "LVISBoxAP"

    def __init__(
        self,
        root: str,
        anno_file: str,
        transforms: list[part.transform] | None = None,
        classes: tuple[str, ...] | None = None,
        oversample_threshold: float | None = None,
        **settings,
    ):
        if oversample_threshold is not None and not 0 < oversample_threshold <= 1:
            raise ConfigError(f"LVISDataset: oversample_threshold must be a share of images, not {oversample_threshold!r}")
        if "use_anno_cats" in settings:
            raise ConfigError("LVISDataset: use_anno_cats is always on; select some classes with classes=[...]")
        super().__init__(root, anno_file, transforms, classes=classes, use_anno_cats=True, **settings)
        if oversample_threshold is not None:
            factors = repeat_factors([record.labels for record in self.records], oversample_threshold)
            self.order = [i for i, factor in enumerate(factors) for _ in range(factor)]

    def read(self):
        file = read_lvis(self.anno_file)
        refuse(self.anno_file, file.problems)
        return file

    def _records(self, file):
        by_id = {entry["id"]: entry for entry in file.content["categories"]}
        self.frequencies = {name: FREQUENCIES[by_id[i]["frequency"]] for i, name in zip(self.cat_ids, self.CLASSES)}
        self._labels = {category: label for label, category in enumerate(self.cat_ids, 1)}
        return super()._records(file)

    def image_file(self, image):
        return image_file(image)

    def fields(self, image):
        label = self._labels
        return {
            field: [label[c] for c in image[key] if c in label] for key, field in KNOWN.items() if image.get(key) is not None
        }
