"""The same function as torchvision 0.27's resnet50 and fasterrcnn_resnet50_fpn, on the same weights and a real image.

reference/torchvision.npz was written by reference/make_torchvision.py.
"""

import os

import jittor as jt
import numpy as np
import pytest

from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.conftest import build_model, seed_weights
from tests.detectors.test_parity_mmdet import assert_features, assert_same_set

IMAGE = 724


@pytest.fixture(scope="module")
def reference():
    with np.load(os.path.join(parity.FOLDER, "torchvision.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def model():
    return seed_weights(build_model("faster_rcnn_r50_fpn_torchvision.py")).eval()


def test_backbone(model, reference):
    pixels, _, _ = parity.load_image(shared("data", "coco_mini"), IMAGE)
    with jt.no_grad():
        maps = model.backbone(jt.array(pixels[None]))
    assert [m.shape[1] for m in maps] == [256, 512, 1024, 2048]
    for stage, x in enumerate(maps, 1):
        assert_features(x.numpy(), reference, f"backbone{stage}")


def test_detections(model, reference):
    pixels, size, _ = parity.load_image(shared("data", "coco_mini"), IMAGE)
    target = dict(img_size=size, ori_img_size=size)
    with jt.no_grad():
        (result,) = model(jt.array(pixels[None]), [target])
    assert len(result["scores"]) == len(reference["scores"])
    ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
    assert_same_set(ours, np.column_stack([reference["boxes"], reference["scores"] * 500, reference["labels"]]))
