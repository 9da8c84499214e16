"""COCO's AP of masks."""

from __future__ import annotations

from jsra.evaluation.coco_ap import VALUES
from jsra.evaluation.coco_boxes import COLUMNS, COCOBoxAP
from jsra.registry import ConfigError, register


@register("evaluator")
class COCOMaskAP(COCOBoxAP):
    """AP and AR of COCO's protocol, by mask IoU. The results need masks (RLE), the annotations segmentations."""

    key = "segm"
    names = tuple(f"segm_{value}" for value in VALUES)
    columns = {f"mask_{column}": f"segm_{value}" for column, value in COLUMNS.items()}

    def check(self, dataset):
        for a in dataset.ground_truth().get("annotations", ()):
            if not a.get("segmentation"):
                raise ConfigError(
                    f"COCOMaskAP: annotation {a.get('id')} of image id {a.get('image_id')} in {dataset!r} has no "
                    "segmentation; evaluate boxes alone (COCOBoxAP), or take annotations with masks"
                )

    def submission(self, dataset, results):
        """COCO's result list, with {segmentation: RLE} too."""
        for img_id, result in results.items():
            if len(result["boxes"]) and result.get("masks") is None:
                raise ConfigError(
                    f"COCOMaskAP: the result of image id {img_id} has no 'masks': the model makes none; evaluate boxes alone "
                    "(COCOBoxAP)"
                )
        return super().submission(dataset, results)

    def _more(self, result, i):
        rle = result["masks"][i]
        counts = rle["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        return {"segmentation": {"size": list(rle["size"]), "counts": text}}
