"""COCO's AP of boxes."""

from __future__ import annotations

from collections import Counter

import numpy as np

from jsra.evaluation.coco_ap import MAX_DETECTIONS, VALUES, coco_ap, tools
from jsra.evaluation.dataset_evaluator import DatasetEvaluator, Metrics
from jsra.evaluation.tables import percent, text_table
from jsra.evaluation.truth import check_truth
from jsra.registry import register

COLUMNS = {"AP": "mAP", "AP50": "mAP_50", "AP75": "mAP_75", "APS": "mAP_s", "APM": "mAP_m", "APL": "mAP_l"}


@register("evaluator")
class COCOBoxAP(DatasetEvaluator):
    """AP and AR of the COCO protocol, by box IoU. backend: 'auto', 'pycocotools' or 'faster-coco-eval'."""

    key = "bbox"
    names = tuple(f"bbox_{value}" for value in VALUES)
    columns = {column: f"bbox_{value}" for column, value in COLUMNS.items()}

    def __init__(self, backend: str = "auto"):
        tools(backend)  # raises before any training begins
        self.backend = backend

    def check(self, dataset):
        check_truth(dataset, boxes=self.key != "segm")

    def submission(self, dataset, results):
        """COCO's result list: {image_id, category_id, bbox [x, y, w, h], score}."""
        rows = []
        for img_id, result in results.items():
            boxes = np.asarray(result["boxes"], float).reshape(-1, 4)
            for i, (box, score, label) in enumerate(zip(boxes, result["scores"], result["labels"])):
                x0, y0, x1, y1 = (round(float(v), 3) for v in box)
                row = {
                    "image_id": img_id, "category_id": dataset.cat_ids[int(label) - 1],
                    "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)], "score": float(score),
                }  # fmt: skip
                rows.append({**row, **self._more(result, i)})
        return rows

    def _more(self, result, i):
        """Further entries of detection i in the result list."""
        return {}

    def evaluate(self, dataset, results, submission):
        truth = dataset.ground_truth()
        values, per_class, backend = coco_ap(
            truth, submission, dataset.cat_ids, list(results), self.key, backend=self.backend
        )
        names = dict(zip(dataset.cat_ids, dataset.CLASSES))
        rows = [(names[c], percent(v["mAP"]), percent(v["mAP_50"])) for c, v in per_class.items()]
        head = "  ".join(f"{key.replace('mAP', 'AP')} {percent(v)}" for key, v in values.items() if "mAP" in key)
        table = f"{self.key} (COCO, {backend}): {head}\n" + text_table(("class", "AP", "AP50"), rows)
        table += crowded(truth, results, names)
        by_metric = {
            f"{self.key}_{value}": {names[c]: v[value] for c, v in per_class.items()} for value in ("mAP", "mAP_50")
        }
        return Metrics({f"{self.key}_{key}": v for key, v in values.items()}, per_class=by_metric, table=table)


def crowded(truth, images, categories) -> str:
    """A line for the table if images have more objects of a class than COCO's AP counts detections; else ''."""
    counts = Counter(
        (a["image_id"], a["category_id"]) for a in truth.get("annotations", ())
        if not a.get("iscrowd") and a["image_id"] in images and a["category_id"] in categories
    )  # fmt: skip
    most = MAX_DETECTIONS[-1]
    found = {image for (image, _), count in counts.items() if count > most}
    if not found:
        return ""
    return (
        f"\n{len(found)} images have more than {most} objects of a class: COCO's AP counts the best {most} detections of a "
        "class in an image, so no detector reaches 100 (VOCBoxAP has no such limit)"
    )
