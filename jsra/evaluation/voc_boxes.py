"""Pascal VOC's AP of boxes."""

from __future__ import annotations

import numpy as np

from jsra.evaluation.dataset_evaluator import DatasetEvaluator, Metrics
from jsra.evaluation.tables import percent, text_table
from jsra.evaluation.voc_ap import MODES, mean_ap, voc_ap
from jsra.registry import ConfigError, nearest, register

TITLES = {"11point": "11-point (VOC 2007)", "area": "all-point (VOC 2010 and later)"}


@register("evaluator")
class VOCBoxAP(DatasetEvaluator):
    """AP at IoU 0.5 as in VOC's devkit; difficult objects are ignored.

    mode: the metric, '11point' (VOC 2007; papers on 07+12 report it) or 'area' (all points); the table shows both.
    """

    key = "voc"
    names = ("voc_AP50",)
    columns = {"voc_AP50": "voc_AP50"}

    def __init__(self, mode: str = "11point"):
        if mode not in MODES:
            raise ConfigError(f"VOCBoxAP: mode {mode!r}{nearest(str(mode), MODES)}")
        self.mode = mode

    def evaluate(self, dataset, results, submission):
        truth, detections = {}, {}
        for record in dataset.records:
            if record.img_id in results:
                r = results[record.img_id]
                difficult = np.arange(len(record.boxes) + len(record.ignored)) >= len(record.boxes)
                labels = np.concatenate([record.labels, record.ignored_labels])
                truth[record.img_id] = (np.concatenate([record.boxes, record.ignored]), labels, difficult)
                detections[record.img_id] = (np.asarray(r["boxes"]).reshape(-1, 4), r["scores"], r["labels"])
        found = voc_ap(truth, detections, len(dataset.CLASSES))
        modes = [self.mode, *(mode for mode in MODES if mode != self.mode)]
        means = {mode: mean_ap(row[mode] for row in found) for mode in modes}
        rows = [
            (name, *(percent(row[mode]) for mode in modes), percent(row["recall"]), row["objects"], row["detections"])
            for name, row in zip(dataset.CLASSES, found)
        ]
        head = "voc, AP at IoU 0.5: " + ", ".join(f"{TITLES[mode]} mAP {percent(means[mode])}" for mode in modes)
        columns = ("class", *(f"AP50 {mode}" for mode in modes), "recall", "objects", "detections")
        (name,) = self.names
        return Metrics(
            {name: means[self.mode]}, per_class={name: {c: row[self.mode] for c, row in zip(dataset.CLASSES, found)}},
            table=f"{head}\n{text_table(columns, rows)}",
        )  # fmt: skip
