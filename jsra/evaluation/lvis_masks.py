"""LVIS's AP of masks."""

from __future__ import annotations

from jsra.evaluation.coco_masks import COCOMaskAP, with_empty_masks
from jsra.evaluation.lvis_ap import VALUES
from jsra.evaluation.lvis_boxes import FREQUENCY_COLUMNS, LVISEvaluator
from jsra.registry import register


@register("evaluator")
class LVISMaskAP(LVISEvaluator, COCOMaskAP):
    """AP and AR of the LVIS protocol, by mask IoU; see LVISBoxAP. The results need masks (RLE)."""

    names = tuple(f"segm_{value}" for value in VALUES)
    columns = {f"mask_{column}": f"segm_{value}" for column, value in FREQUENCY_COLUMNS.items()}

    def __init__(self):
        super().__init__()

    def evaluate(self, dataset, results, submission):
        return with_empty_masks(super().evaluate(dataset, results, submission), dataset, results)
