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
    """What LVISBoxAP and LVISMaskAP share, in front of their COCO relatives."""

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
            for name, v in found.items() if not math.isnan(v["mAP"])  # of 1,203 classes, those that occur
        ]  # fmt: skip
        table = f"{self.key} (LVIS): {head}\n" + text_table(("class", "images", "AP", "AP50"), rows)
        by_metric = {f"{self.key}_{value}": {n: v[value] for n, v in found.items()} for value in ("mAP", "mAP_50")}
        return Metrics({f"{self.key}_{key}": v for key, v in values.items()}, per_class=by_metric, table=table)


@register("evaluator")
class LVISBoxAP(LVISEvaluator, COCOBoxAP):
    """AP and AR of LVIS's protocol, by box IoU: of all classes, and of the rare, common and frequent ones.

    Detections count only for classes of which an image says that they are there or not (Gupta et al. 2019).
    """

    names = tuple(f"bbox_{value}" for value in VALUES)
    columns = {column: f"bbox_{value}" for column, value in FREQUENCY_COLUMNS.items()}

    def __init__(self):
        super().__init__()
