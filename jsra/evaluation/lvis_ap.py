"""LVIS's average precision, by the `lvis` package."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import types
import warnings
from unittest import mock

import numpy as np

from jsra.evaluation.coco_ap import image_numbers, mean_of_existing, numbered, undefined

# {name here: name in the package}; r, c, f: classes that are rare, common or frequent in the training set.
VALUES = {
    "mAP": "AP", "mAP_50": "AP50", "mAP_75": "AP75", "mAP_s": "APs", "mAP_m": "APm", "mAP_l": "APl", "mAP_r": "APr",
    "mAP_c": "APc", "mAP_f": "APf", "AR_300": "AR@300", "AR_s": "ARs@300", "AR_m": "ARm@300", "AR_l": "ARl@300",
}  # fmt: skip
MAX_DETECTIONS = 300


def lvis_package():
    """(LVIS, LVISResults, LVISEval) of the package. Raises ImportError, which says how to install it."""
    if "lvis" not in sys.modules:
        found = importlib.util.find_spec("lvis")
        if found is None:
            raise ImportError("LVIS AP needs the package lvis: pip install --no-deps lvis")
        # The package's __init__ imports OpenCV for drawing and configures logging, so its modules are imported without it.
        package = types.ModuleType("lvis")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["lvis"] = package
    from lvis.eval import LVISEval
    from lvis.lvis import LVIS
    from lvis.results import LVISResults

    return LVIS, LVISResults, LVISEval


def lvis_ap(ground_truth, detections, category_ids, image_ids=None, iou_type="bbox"):
    """AP and AR of the LVIS protocol, with at most 300 detections per image.

    ground_truth: dict in LVIS's annotation format. detections: list in COCO's result format. category_ids: the classes to
    average over. image_ids: default: all.
    Returns (values, per_class): {name from VALUES: 0..1, nan if there are no such objects}, {category id: {mAP, mAP_50}}.
    """
    LVIS, LVISResults, LVISEval = lvis_package()
    if image_ids is not None and not len(image_ids):
        return undefined(VALUES, category_ids)
    number = image_numbers(ground_truth["images"])
    category = {c["id"]: i for i, c in enumerate(ground_truth["categories"], start=1)}
    dropped = "bbox" if iou_type == "segm" else None  # if present, the package uses the area of the box, as COCO's tools do
    found = [
        {**{k: v for k, v in d.items() if k != dropped}, "image_id": number[d["image_id"]],
         "category_id": category[d["category_id"]]}
        for d in detections
    ]  # fmt: skip
    with _quiet(), mock.patch.object(np, "float", float, create=True):  # NumPy 1.24 removed this name
        truth = _indexed(LVIS, {**ground_truth, **_numbered(ground_truth, number, category)})
        # LVISResults fails for an empty list.
        empty = {**truth.dataset, "annotations": []}
        found = LVISResults(truth, found, MAX_DETECTIONS) if found else _indexed(LVISResults, empty)
        evaluation = LVISEval(truth, found, iou_type)
        evaluation.params.cat_ids = [category[c] for c in category_ids]
        if image_ids is not None:
            evaluation.params.img_ids = sorted(number[i] for i in image_ids)
        evaluation.run()
    values = {name: _share(evaluation.results[theirs]) for name, theirs in VALUES.items()}
    precision = evaluation.eval["precision"][..., 0]  # [IoU thresholds, recall points, classes], all areas
    per_class = {
        category: {"mAP": mean_of_existing(precision[:, :, i]), "mAP_50": mean_of_existing(precision[0, :, i])}
        for i, category in enumerate(category_ids)
    }
    return values, per_class


def _numbered(ground_truth, number, category):
    """As jsra.evaluation.coco_ap.numbered, also for categories: the package sorts their ids, which may be text."""
    annotated = numbered(ground_truth, number)
    for a in annotated["annotations"]:
        a["category_id"] = category[a["category_id"]]
    for image in annotated["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            image[key] = [category[c] for c in image[key]]
    return {**annotated, "categories": [{**c, "id": category[c["id"]]} for c in ground_truth["categories"]]}


def _indexed(kind, dataset):
    """An LVIS or LVISResults object made from annotations in memory (their constructors read files)."""
    made = kind.__new__(kind)
    made.logger, made.dataset = logging.getLogger("lvis"), dataset
    made._create_index()
    return made


@contextlib.contextmanager
def _quiet():
    logger = logging.getLogger("lvis")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it calls logger.warn
            yield
    finally:
        logger.setLevel(before)


def _share(value):
    return float("nan") if value == -1 else float(value)
