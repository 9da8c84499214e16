"""COCO's AP of boxes over all frames of videos, in the columns of the papers' video tables."""

from __future__ import annotations

from jsra.evaluation.coco_boxes import COLUMNS, COCOBoxAP
from jsra.registry import register


@register("evaluator")
class VIDBoxAP(COCOBoxAP):
    """COCOBoxAP on video frames; its table columns are vid_AP, vid_AP50, ..."""

    columns = {f"vid_{column}": f"bbox_{value}" for column, value in COLUMNS.items()}
