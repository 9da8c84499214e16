"""The analysis of a run's detections for `jsra analyze`."""

from __future__ import annotations

import math
import os

import numpy as np

from jsra.analysis import figures
from jsra.analysis.confusion import confusion
from jsra.analysis.errors import costs, precisions
from jsra.analysis.matching import images_of
from jsra.analysis.page import page, picture, table
from jsra.evaluation.coco_ap import coco_ap
from jsra.evaluation.lvis_ap import lvis_ap
from jsra.output import check_kept, whole_or_not, write_json

DRAWN = r"(errors|precision_recall|sizes|classes|confusion)\.png"  # the figures
WORST = "worst"  # the folder of the images with the most errors
SIZES = {"small": "mAP_s", "medium": "mAP_m", "large": "mAP_l"}
SAID = {
    "class": "hits an object of another class",
    "place": "near an object of its class, IoU 0.1 to 0.5",
    "both": "near an object of another class",
    "twice": "hits an object that a better detection already found",
    "background": "near nothing",
    "missed": "an object that no detection hits or comes near",
}


def analyze(dataset, detections, out: str, title: str, worst: int = 12, threshold: float = 0.3) -> dict:
    """Write out/index.html, its pictures and out/analysis.json; returns the content of the JSON file.

    dataset: of jsra.data; detections: in COCO's result format. worst: number of images to draw, those with the most errors.
    threshold: lowest score of detections in the confusion matrix and in these images; everything else uses all scores.
    Raises ConfigError if one of the pictures to write is an image of the dataset.
    """
    for folder, names in ((out, DRAWN), (os.path.join(out, WORST), figures.WORST)):
        check_kept(folder, names, (record.file for record in dataset.records))
    os.makedirs(out, exist_ok=True)
    names = list(dataset.CLASSES)
    truth = dataset.ground_truth()
    images = images_of(dataset, detections, truth)
    ap = lvis_ap if hasattr(dataset, "frequencies") else coco_ap
    values, per_class, *_ = ap(truth, detections, dataset.cat_ids, dataset.img_ids)
    found = {
        "AP": {key: _number(value) for key, value in values.items()},
        "classes": {
            name: {"objects": sum(int((i.labels == label).sum()) for i in images),
                   "AP": _number(per_class[category]["mAP"]), "AP50": _number(per_class[category]["mAP_50"])}
            for label, (name, category) in enumerate(zip(names, dataset.cat_ids), start=1)
        },
        "errors": {kind: {"count": n, "cost": _number(cost)} for kind, (n, cost) in costs(images, len(names)).items()},
        "confusion": confusion(images, len(names), threshold).tolist(),
        "threshold": threshold,
    }  # fmt: skip
    write_json(os.path.join(out, "analysis.json"), found, indent=1)
    with whole_or_not(os.path.join(out, "index.html")) as unfinished, open(unfinished, "w", encoding="utf8") as f:
        f.write(page(title, _parts(found, images, names, out, worst, not dataset.is_ours("get", "picture"))))
    return found


def _number(value):
    """The rounded value; None for nan, which JSON does not have."""
    return None if math.isnan(value) else round(float(value), 5)


def _percent(value):
    return "" if value is None else f"{100 * value:.1f}"


def _bar(value):
    return math.nan if value is None else 100 * value


def _parts(found, images, names, out, worst, own):
    def place(name):
        return os.path.join(out, name)

    ap, errors, classes = found["AP"], found["errors"], found["classes"]
    objects = sum(len(image.boxes) for image in images)
    recall = next(key for key in ("AR_100", "AR_300") if key in ap)
    head = ("images", "objects", "detections", "AP", "AP50", "AP75", recall.replace("_", ""))
    counts = len(images), objects, sum(len(image.scores) for image in images)
    yield "Result", table(head, [(*counts, *(_percent(ap[key]) for key in ("mAP", "mAP_50", "mAP_75", recall)))])
    kinds = table(
        ("error", "means", "how often", "AP50 without it"),
        [(kind, SAID[kind], e["count"], f"+{_percent(e['cost'])}") for kind, e in errors.items()],
    )  # fmt: skip
    cost = [_bar(e["cost"]) for e in errors.values()]
    drawn = figures.bars(list(errors), cost, "Cost of each type of error, in AP50", place("errors.png"))
    yield "Errors by type", kinds + picture(drawn)
    curves = precisions(images, len(names))
    if curves:
        yield "Precision and recall", picture(figures.precision_recall(curves, names, place("precision_recall.png")))
    by_size = [_bar(ap[key]) for key in SIZES.values()]
    drawn = figures.bars(list(SIZES), by_size, "AP by size of the object", place("sizes.png"))
    yield "Sizes", picture(drawn, "small: below 32 x 32 pixels; medium: below 96 x 96; by the area in the annotations")
    order = sorted(classes, key=lambda name: -(classes[name]["AP"] or 0))
    having = [name for name in order if classes[name]["objects"]]
    rows = [(name, c["objects"], _percent(c["AP"]), _percent(c["AP50"])) for name, c in ((n, classes[n]) for n in order)]
    drawn = figures.bars(having, [_bar(classes[name]["AP"]) for name in having], "AP by class", place("classes.png"))
    yield "Classes", picture(drawn) + table(("class", "objects", "AP", "AP50"), rows)
    matrix = figures.confusion_matrix(np.array(found["confusion"]), names, place("confusion.png"))
    yield "Confusion", picture(matrix, f"detections with a score of at least {found['threshold']:g}")
    shown = figures.worst(images, names, place(WORST), worst, found["threshold"], own)
    if shown:
        yield "Images with the most errors", f'<div class="grid">{"".join(picture(*one) for one in shown)}</div>'
