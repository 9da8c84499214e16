"""LVIS's AP of boxes."""

from __future__ import annotations

import math

from jsra.evaluation.coco_boxes import COLUMNS, COCOBoxAP
from jsra.evaluation.dataset_evaluator import Metrics
from jsra.evaluation.lvis_ap import VALUES, lvis_ap, lvis_package
from jsra.evaluation.tables import percent, text_table
from jsra.registry import ConfigError, register

FREQUENCY_COLUMNS = {**COLUMNS, "APr": "mAP_r", "APc": "mAP_c", "APf": "mAP_f"}


class LVISEvaluator:
    """The common part of LVISBoxAP and LVISMaskAP; it overrides methods of the COCO evaluators."""

    def check(self, dataset):
        lvis_package()
        if not hasattr(dataset, "frequencies"):
            raise ConfigError(f"{type(self).__name__}: {dataset!r} has no class frequencies; use an LVISDataset")
        super().check(dataset)

    def evaluate(self, dataset, results, submission):
        values, per_class = lvis_ap(dataset.ground_truth(), submission, dataset.cat_ids, list(results), self.key)
        names = dict(zip(dataset.cat_ids, dataset.CLASSES))
        found = {names[c]: v for c, v in per_class.items()}
        head = "  ".join(f"{key.replace('mAP', 'AP')} {percent(v)}" for key, v in values.items() if "mAP" in key)
        rows = [
            (name, dataset.frequencies[name], percent(v["mAP"]), percent(v["mAP_50"]))
            for name, v in found.items() if not math.isnan(v["mAP"])  # only classes that occur, of 1,203
        ]  # fmt: skip
        table = f"{self.key} (LVIS): {head}\n" + text_table(("class", "images", "AP", "AP50"), rows)
        by_metric = {f"{self.key}_{value}": {n: v[value] for n, v in found.items()} for value in ("mAP", "mAP_50")}
        return Metrics({f"{self.key}_{key}": v for key, v in values.items()}, per_class=by_metric, table=table)


@register("evaluator")
class LVISBoxAP(LVISEvaluator, COCOBoxAP):
    """AP and AR of the LVIS protocol, by box IoU: of all classes, and of the rare, common and frequent ones.

    In each image, only detections of classes count that its annotation says are present or absent (Gupta et al. 2019).
    """

    names = tuple(f"bbox_{value}" for value in VALUES)
    columns = {column: f"bbox_{value}" for column, value in FREQUENCY_COLUMNS.items()}

    def __init__(self):
        super().__init__()
