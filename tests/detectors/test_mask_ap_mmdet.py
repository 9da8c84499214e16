"""pycocotools' mask AP of our result file and of mmdet's, on coco_masks val and the inputs of mask_ap.py."""

import json
import os
import subprocess

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.structures import Targets, proposals_of
from jsra.evaluation.coco_ap import coco_ap
from jsra.fuse import FusedModel
from tests.conftest import shared
from tests.detectors import mask_ap, parity
from tests.detectors.conftest import build_model


class WithProposals(jt.nn.Module):
    """The detector without its RPN."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def execute(self, image, boxes, targets):
        return self.model.roi_head(self.model.features(image), proposals_of([boxes]), targets)


def our_results(folder, truth):
    model = build_model("mask_rcnn_r50_fpn.py")
    for name, var in model.state_dict().items():
        var.update(jt.array(mask_ap.seeded(name, tuple(var.shape))))
    run, results = FusedModel(WithProposals(model).eval()), []
    for image_id, pixels, size, proposals in mask_ap.images(folder, truth):
        targets = Targets([dict(img_id=image_id, img_size=size, ori_img_size=size)], training=False)
        (found,) = run(jt.array(pixels[None]), proposals, targets)
        results += mask_ap.submission(truth, image_id, found["boxes"], found["scores"], found["masks"])
    return results


def test_mask_ap(tmp_path):
    peer = os.environ.get("JSRA_MMDET")
    if not peer:
        pytest.skip("takes minutes: set JSRA_MMDET to a Python with mmdet")
    folder, path = shared("data", "coco_masks"), str(tmp_path / "mmdet.json")
    subprocess.run([peer, os.path.join(parity.FOLDER, "make_mmdet_mask_ap.py"), folder, path], check=True)
    with open(path, encoding="utf8") as file:
        theirs = json.load(file)
    truth = mask_ap.ground_truth(folder)
    annotated = {**truth, "annotations": [a for a in truth["annotations"] if a["segmentation"]]}  # pycocotools needs a mask
    categories = sorted(c["id"] for c in truth["categories"])
    values = [
        coco_ap(annotated, results, categories, iou_type="segm", backend="pycocotools")[0]
        for results in (our_results(folder, truth), theirs)
    ]
    print("ours", values[0], "mmdet's", values[1])
    assert values[1]["mAP"] > 0.01
    for name, value in values[0].items():
        np.testing.assert_allclose(value, values[1][name], atol=5e-5, err_msg=name)
