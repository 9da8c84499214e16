"""torchvision's Faster R-CNN with ports/torchvision_sra.py and ours with SRA are one function, on the same weights and image.

vectors/torchvision.npz was written by make_torchvision.py, which also compares ports/detectron2_sra.py with it.
"""

import os

import jittor as jt
import numpy as np

from jsra import registry
from jsra.config import load_config
from jsra.resources import folder
from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.test_parity_mmdet import assert_same_set
from tests.ports import mmdet_model

IMAGE = 724


def test_detections():
    pixels, size, _ = parity.load_image(shared("data", "coco_mini"), IMAGE)
    config = load_config(os.path.join(folder("jdet_configs"), "_base_", "models", "faster_rcnn_r50_fpn_torchvision.py"))
    config["model"]["roi_head"]["box"]["extractor"]["roi_layer"] = {"type": "SemanticRoIAlign"}
    model = registry.build(config["model"], "model").eval()
    for name, var in model.state_dict().items():
        var.update(jt.array(mmdet_model.seeded(name, tuple(var.shape))))
    with jt.no_grad():
        (result,) = model(jt.array(pixels[None]), [dict(img_size=size, ori_img_size=size)])
    with np.load(os.path.join(os.path.dirname(mmdet_model.VECTORS), "torchvision.npz")) as stored:
        theirs = np.column_stack([stored["boxes"], stored["scores"] * 500, stored["labels"]])
    assert len(result["scores"]) == len(theirs)
    assert_same_set(np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]]), theirs)
