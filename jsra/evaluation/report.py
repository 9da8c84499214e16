"""From the detections of a model to metrics, a table and the result file: what `dataset.evaluate` does."""

from __future__ import annotations

import json
import math
import os

import numpy as np

from jsra.evaluation.coco_ap import coco_ap
from jsra.evaluation.voc_ap import voc_ap
from jsra.registry import ConfigError, nearest

KNOWN = ("bbox", "segm", "voc")


class Metrics(dict):
    """{name: float}, e.g. bbox_mAP, bbox_mAP_50, voc_AP50; `per_class` {metric: {class: value}}; `table`: text."""

    def __init__(self):
        super().__init__()
        self.per_class = {}
        self.table = ""


def evaluate(dataset, results, work_dir, epoch, metrics):
    for metric in metrics:
        if metric not in KNOWN:
            raise ConfigError(f"metrics: {metric!r} is unknown{nearest(metric, KNOWN)}")
    results = by_image(dataset, results)
    out, parts = Metrics(), []
    if len(results) < len(dataset.records):
        parts.append(f"evaluated on {len(results)} of {len(dataset.records)} images")
    for metric in metrics:
        if metric == "voc":
            parts.append(_voc(dataset, results, out))
        else:
            detections = submission(dataset, results, masks=metric == "segm")
            if work_dir is not None:
                write_submission(detections, work_dir, "result" if epoch is None else epoch, metric)
            parts.append(_coco(dataset, results, detections, metric, out))
    out.table = "\n".join(parts)
    return out


def by_image(dataset, results):
    """{img_id: result} in the dataset's order; ValueError for an image that is unknown or there twice."""
    found = {}
    for result in results:
        result = result[0] if isinstance(result, (tuple, list)) else result
        if result["img_id"] in found:
            raise ValueError(f"image id {result['img_id']} has two results")
        found[result["img_id"]] = result
    ordered = {i: found.pop(i) for i in dataset.img_ids if i in found}
    if found:
        raise ValueError(f"results for images that the dataset does not have: {list(found)[:5]}")
    return ordered


def submission(dataset, results, masks=False):
    """The detections as COCO's result list: {image_id, category_id, bbox [x, y, w, h], score, (segmentation)}."""
    out = []
    for img_id, r in results.items():
        boxes = np.asarray(r["boxes"], float).reshape(-1, 4)
        if masks and len(boxes) and r.get("masks") is None:
            raise ValueError(f"the result of image id {img_id} has no 'masks', which the metric 'segm' needs")
        for i, (box, score, label) in enumerate(zip(boxes, r["scores"], r["labels"])):
            x0, y0, x1, y1 = (round(float(v), 3) for v in box)
            row = {
                "image_id": img_id, "category_id": dataset.cat_ids[int(label) - 1],
                "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)], "score": float(score),
            }  # fmt: skip
            if masks:
                row["segmentation"] = _text_rle(r["masks"][i])
            out.append(row)
    return out


def _text_rle(rle):
    counts = rle["counts"]
    return {"size": list(rle["size"]), "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}


def write_submission(detections, work_dir, name, metric):
    """Write work_dir/detections/<name>.<metric>.json and return its path."""
    folder = os.path.join(work_dir, "detections")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}.{metric}.json")
    with open(path, "w", encoding="utf8") as f:
        json.dump(detections, f)
    return path


def _coco(dataset, results, detections, metric, out):
    values, per_class, backend = coco_ap(dataset.ground_truth(), detections, dataset.cat_ids, list(results), metric)
    names = dict(zip(dataset.cat_ids, dataset.CLASSES))
    out.update({f"{metric}_{key}": value for key, value in values.items()})
    out.per_class[f"{metric}_mAP"] = {names[c]: v["mAP"] for c, v in per_class.items()}
    out.per_class[f"{metric}_mAP_50"] = {names[c]: v["mAP_50"] for c, v in per_class.items()}
    head = "  ".join(f"{key.replace('mAP', 'AP')} {_percent(value)}" for key, value in values.items() if "mAP" in key)
    rows = [(names[c], _percent(v["mAP"]), _percent(v["mAP_50"])) for c, v in per_class.items()]
    return f"{metric} (COCO, {backend}): {head}\n" + text_table(("class", "AP", "AP50"), rows)


def _voc(dataset, results, out):
    mode = getattr(dataset, "ap_mode", "area")
    truth, detections = {}, {}
    for record in dataset.records:
        if record.img_id in results:
            r = results[record.img_id]
            difficult = np.arange(len(record.boxes) + len(record.ignored)) >= len(record.boxes)
            labels = np.concatenate([record.labels, record.ignored_labels])
            truth[record.img_id] = (np.concatenate([record.boxes, record.ignored]), labels, difficult)
            detections[record.img_id] = (np.asarray(r["boxes"]).reshape(-1, 4), r["scores"], r["labels"])
    rows = voc_ap(truth, detections, len(dataset.CLASSES), mode=mode)
    aps = [row["ap"] for row in rows if not math.isnan(row["ap"])]
    out["voc_AP50"] = float(np.mean(aps)) if aps else float("nan")
    out.per_class["voc_AP50"] = {name: row["ap"] for name, row in zip(dataset.CLASSES, rows)}
    label = "11-point (VOC 2007)" if mode == "11point" else "all-point (VOC 2010 and later)"
    table = text_table(
        ("class", "AP50", "recall", "objects", "detections"),
        [(n, _percent(r["ap"]), _percent(r["recall"]), r["objects"], r["detections"])
         for n, r in zip(dataset.CLASSES, rows)],
    )  # fmt: skip
    return f"voc, {label} AP at IoU 0.5: mAP {_percent(out['voc_AP50'])}\n{table}"


def _percent(value):
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def text_table(header, rows):
    """Columns of text, the first to the left, the others to the right."""
    rows = [tuple(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) for row in rows]
    return "\n".join(lines)
