"""AP of objects that move slowly, at medium speed and fast (Zhu et al. 2017, FGFA, section 5.1)."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from jsra.evaluation.dataset_evaluator import DatasetEvaluator, Metrics
from jsra.evaluation.tables import percent, text_table
from jsra.evaluation.voc_ap import box_overlaps, mean_ap, voc_ap
from jsra.registry import ConfigError, register

SPEEDS = {"slow": (0.9, math.inf), "medium": (0.7, 0.9), "fast": (-math.inf, 0.7)}  # low <= motion IoU < high
REACH = 10  # frames before and after


def motion_iou(records) -> list:
    """For each record, the motion IoU [n] of its boxes: the mean IoU with boxes of the same track up to REACH frames away.

    nan if the object has no track id, its track has no box in those frames, or the record belongs to no video.
    """
    tracks = defaultdict(dict)  # (video, track) -> {frame: box}
    for record in records:
        fields = record.fields or {}
        if "video_id" in fields:
            for box, track in zip(record.boxes, fields.get("track_ids", ())):
                if track >= 0:
                    tracks[fields["video_id"], int(track)][fields["frame_index"]] = box
    found = []
    for record in records:
        fields = record.fields or {}
        values = np.full(len(record.boxes), np.nan)
        for i, (box, track) in enumerate(zip(record.boxes, fields.get("track_ids", ()))):
            own = tracks.get((fields.get("video_id"), int(track)), {})
            frame = fields.get("frame_index")
            near = [own[n] for n in range(frame - REACH, frame + REACH + 1) if n != frame and n in own] if own else []
            if near:
                values[i] = box_overlaps(box.astype(float), np.asarray(near, float)).mean()
        found.append(values)
    return found


@register("evaluator")
class MotionAP(DatasetEvaluator):
    """AP at IoU 0.5 (all-point) for slow objects (motion IoU at least 0.9), medium (0.7 to 0.9) and fast ones (below 0.7).

    For each speed, objects of other speeds or without a speed are ignored, with their detections; a detection that matches no
    object is a false positive for every speed.
    """

    key = "motion"
    names = ("motion_AP50_slow", "motion_AP50_medium", "motion_AP50_fast")
    columns = {f"vid_AP50_{speed}": f"motion_AP50_{speed}" for speed in SPEEDS}

    def check(self, dataset):
        if not any("track_ids" in (record.fields or {}) for record in dataset.records):
            raise ConfigError(f"MotionAP: {dataset!r} has no track ids; use a VIDDataset, or remove this evaluator")

    def evaluate(self, dataset, results, submission):
        speeds = dict(zip(dataset.img_ids, motion_iou(dataset.records)))
        shown = [record for record in dataset.records if record.img_id in results]
        detections = {}
        for record in shown:
            r = results[record.img_id]
            detections[record.img_id] = (np.asarray(r["boxes"]).reshape(-1, 4), r["scores"], r["labels"])
        metrics, per_class, rows = {}, {}, []
        for name, (speed, (low, high)) in zip(self.names, SPEEDS.items()):
            truth = {}
            for record in shown:
                motion = speeds[record.img_id]
                truth[record.img_id] = (record.boxes, record.labels, ~((motion >= low) & (motion < high)))
            found = voc_ap(truth, detections, len(dataset.CLASSES))
            metrics[name] = mean_ap(row["area"] for row in found)
            per_class[name] = {c: row["area"] for c, row in zip(dataset.CLASSES, found)}
            rows.append((speed, percent(metrics[name]), sum(row["objects"] for row in found)))
        table = f"AP at IoU 0.5 by motion\n{text_table(('speed', 'AP50', 'objects'), rows)}"
        return Metrics(metrics, per_class=per_class, table=table)
