"""COCO's average precision, by pycocotools, or by faster-coco-eval if it is installed (its numbers are the same)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import numbers

import numpy as np

VALUES = (
    "mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l", "AR_1", "AR_10", "AR_100", "AR_s", "AR_m", "AR_l",
)  # fmt: skip
AREAS = {"s": 1, "m": 2, "l": 3}  # area ranges of COCOeval: index 0 is all
MAX_DETECTIONS = (1, 10, 100)


def tools(backend):
    """(COCO, COCOeval, name) of a backend: 'auto', 'pycocotools' or 'faster-coco-eval'. Raises ImportError, ValueError."""
    fast = importlib.util.find_spec("faster_coco_eval") is not None
    if backend == "faster-coco-eval" or (backend == "auto" and fast):
        if not fast:
            raise ImportError("faster-coco-eval is not installed: pip install faster-coco-eval")
        from faster_coco_eval import COCO, COCOeval_faster

        return COCO, COCOeval_faster, "faster-coco-eval"
    if backend not in ("auto", "pycocotools"):
        raise ValueError(f"unknown backend {backend!r}; known: auto, pycocotools, faster-coco-eval")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return COCO, COCOeval, "pycocotools"


def coco_ap(ground_truth, detections, category_ids, image_ids=None, iou_type="bbox", backend="auto"):
    """AP and AR of COCO's protocol.

    ground_truth: dict in COCO's annotation format. detections: list in COCO's result format ({image_id, category_id, score,
    bbox xywh and/or segmentation RLE}). category_ids: the classes to average over. image_ids: default: all.
    Returns (values, per_class, name of the backend): values {name from VALUES: 0..1, nan if there are no such objects};
    per_class {category id: {mAP, mAP_50}}. Raises what `tools` raises.
    """
    COCO, COCOeval, name = tools(backend)
    if image_ids is not None and not len(image_ids):
        return (*undefined(VALUES, category_ids), name)
    # The tools modify the detections, need numbers as ids of images (VOC's are names) and of categories, and use other
    # entries of a detection: e.g. the area of a box next to a mask would decide what is small or large.
    number = image_numbers(ground_truth["images"])
    category = {c["id"]: i for i, c in enumerate(ground_truth["categories"], start=1)}
    shape = "segmentation" if iou_type == "segm" else "bbox"
    detections = [
        {"image_id": number[d["image_id"]], "category_id": category[d["category_id"]], "score": d["score"],
         shape: d[shape]}
        for d in detections
    ]  # fmt: skip
    annotated = numbered(ground_truth, number)
    for a in annotated["annotations"]:
        a["category_id"] = category[a["category_id"]]
    annotated["categories"] = [{**c, "id": category[c["id"]]} for c in ground_truth["categories"]]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        # loadRes copies `info`, which many custom annotation files do not have.
        truth.dataset = {"info": {}, **ground_truth, **annotated}
        truth.createIndex()
        found = truth.loadRes(detections) if detections else COCO()
        evaluation = COCOeval(truth, found, iou_type)
        evaluation.params.catIds = [category[c] for c in category_ids]
        evaluation.params.imgIds = sorted(number.values() if image_ids is None else (number[i] for i in image_ids))
        evaluation.params.maxDets = list(MAX_DETECTIONS)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # [IoU thresholds, recall points, classes, areas, detection limits]
    recall = evaluation.eval["recall"]  # [IoU thresholds, classes, areas, detection limits]
    thresholds = evaluation.params.iouThrs
    values = {"mAP": mean_of_existing(precision[:, :, :, 0, -1])}
    for percent in (50, 75):
        values[f"mAP_{percent}"] = mean_of_existing(precision[_nearest(thresholds, percent), :, :, 0, -1])
    for area, index in AREAS.items():
        values[f"mAP_{area}"] = mean_of_existing(precision[:, :, :, index, -1])
    for index, number in enumerate(MAX_DETECTIONS):
        values[f"AR_{number}"] = mean_of_existing(recall[:, :, 0, index])
    for area, index in AREAS.items():
        values[f"AR_{area}"] = mean_of_existing(recall[:, :, index, -1])
    half = _nearest(thresholds, 50)
    place = {c: i for i, c in enumerate(evaluation.params.catIds)}  # the tools sort them
    per_class = {
        c: {
            "mAP": mean_of_existing(precision[:, :, place[category[c]], 0, -1]),
            "mAP_50": mean_of_existing(precision[half, :, place[category[c]], 0, -1]),
        }
        for c in category_ids
    }
    return values, per_class, name


def image_numbers(images) -> dict:
    """{id: number from 1} of images. The tools go through the images in this order, which decides where scores are equal: it
    is that of the ids, as if the tools were given the ids themselves; that of the list if an id is text."""
    ids = [image["id"] for image in images]
    if all(isinstance(i, numbers.Integral) for i in ids):
        ids.sort()
    return {img_id: number for number, img_id in enumerate(ids, start=1)}


def numbered(ground_truth, number):
    """Images and annotations as the tools need them: both numbered from 1, with area and iscrowd filled in.

    The tools use the id of a matched annotation as the flag 'found', so id 0 would mean 'missed'; and they look annotations
    up by id, so duplicate ids would lose annotations. Annotations of images that are not listed are left out, as in the
    datasets.
    """
    annotations = []
    for a in ground_truth.get("annotations", ()):
        if a["image_id"] in number:
            area = a["bbox"][2] * a["bbox"][3] if a.get("area") is None else a["area"]
            given = {"id": len(annotations) + 1, "image_id": number[a["image_id"]], "area": area}
            annotations.append({**a, **given, "iscrowd": int(a.get("iscrowd") or 0)})
    images = [{**image, "id": number[image["id"]]} for image in ground_truth["images"]]
    return {"images": images, "annotations": annotations}


def undefined(names, category_ids) -> tuple:
    """(values, per_class) without any image. The tools take an empty list of images for all."""
    nan = float("nan")
    return dict.fromkeys(names, nan), {c: {"mAP": nan, "mAP_50": nan} for c in category_ids}


def _nearest(thresholds, percent):
    return int(np.argmin(np.abs(np.asarray(thresholds) - percent / 100)))


def mean_of_existing(values):
    """The mean without the entries -1, with which COCO marks classes without ground truth."""
    values = values[values > -1]
    return float(values.mean()) if values.size else float("nan")
