"""COCO's AP of masks."""

from __future__ import annotations

import numpy as np

from jsra.data.coco import segmentation_problems
from jsra.data.coco_file import of_annotation
from jsra.data.masks import area, to_rle
from jsra.data.problems import error, refuse
from jsra.detectors.detector import Detector
from jsra.evaluation.coco_ap import VALUES
from jsra.evaluation.coco_boxes import COLUMNS, COCOBoxAP
from jsra.heads.mask_branch import MaskResults
from jsra.registry import ConfigError, register


@register("evaluator")
class COCOMaskAP(COCOBoxAP):
    """AP and AR of the COCO protocol, by mask IoU. The results need masks (RLE), the annotations need segmentations."""

    key = "segm"
    names = tuple(f"segm_{value}" for value in VALUES)
    columns = {f"mask_{column}": f"segm_{value}" for column, value in COLUMNS.items()}

    def check(self, dataset):
        super().check(dataset)
        content, images, categories = dataset.ground_truth(), set(dataset.img_ids), set(dataset.cat_ids)
        sizes, problems = {image["id"]: (int(image["width"]), int(image["height"])) for image in content["images"]}, []
        for a in content.get("annotations", ()):
            if a["image_id"] not in images or a["category_id"] not in categories:
                continue  # not evaluated
            if a.get("segmentation"):
                problems += segmentation_problems(a, *sizes[a["image_id"]])
            else:
                cure = "evaluate only boxes, or use annotations with masks"
                problems.append(error(of_annotation(a), "has no segmentation", cure))
        refuse(f"{type(self).__name__}: {dataset!r}", problems)

    def check_model(self, model):
        if isinstance(model, Detector) and not any(isinstance(part, MaskResults) for part in model.modules()):
            name = type(self).__name__
            raise ConfigError(f"{name}: {type(model).__name__} without a mask branch makes no masks: evaluate boxes alone")

    def submission(self, dataset, results):
        """COCO's result list, also with {segmentation: RLE}."""
        sizes = {record.img_id: [record.height, record.width] for record in dataset.records}
        for img_id, result in results.items():
            if len(result["boxes"]) and result.get("masks") is None:
                raise ConfigError(
                    f"{type(self).__name__}: the result of image id {img_id} has no 'masks': the model predicts none; "
                    "evaluate only boxes"
                )
            for rle in result.get("masks") or ():
                if not isinstance(rle, dict):
                    raise ConfigError(
                        f"{type(self).__name__}: image id {img_id}: a mask is an RLE of COCO, or a bitmap [height, width] of "
                        f"0 and 1, not {type(rle).__name__} {list(np.shape(rle))}: of probabilities, give masks > 0.5"
                    )
                if list(rle["size"]) != sizes[img_id]:
                    raise ConfigError(
                        f"{type(self).__name__}: image id {img_id} has a mask of [height, width] {list(rle['size'])}, its "
                        f"picture has {sizes[img_id]}"
                    )
        return super().submission(dataset, results)

    def evaluate(self, dataset, results, submission):
        return with_empty_masks(super().evaluate(dataset, results, submission), dataset, results)

    def _more(self, result, i):
        rle = result["masks"][i]
        counts = rle["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        return {"segmentation": {"size": list(rle["size"]), "counts": text}}


def with_empty_masks(metrics, dataset, results):
    """The metrics, with a line in their table if objects have a mask without a pixel, e.g. of a polygon without an area."""
    content, categories = dataset.ground_truth(), set(dataset.cat_ids)
    sizes = {image["id"]: (int(image["width"]), int(image["height"])) for image in content["images"]}
    counted = (a for a in content.get("annotations", ()) if a["image_id"] in results and a["category_id"] in categories)
    count = sum(not a.get("iscrowd") and not area(to_rle(a["segmentation"], *sizes[a["image_id"]])) for a in counted)
    if count:
        metrics.table += f"\n{count} objects have a mask that covers no pixel: no detection finds them (`jsra data check`)"
    return metrics
