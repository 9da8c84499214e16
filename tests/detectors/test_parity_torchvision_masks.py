"""The same function as torchvision 0.27's maskrcnn_resnet50_fpn, on the same weights and a real image.

reference/torchvision_masks.npz was written by reference/make_torchvision_masks.py.
"""

import os

import jittor as jt
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from jsra.boxes.mask_truth import mask_truth
from jsra.boxes.structures import Targets
from jsra.data.masks import InstanceMasks
from jsra.ops.mask_targets import mask_targets
from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.conftest import build_model, seed_weights
from tests.detectors.test_parity_mmdet import assert_features, assert_same_set
from tests.detectors.test_parity_torchvision import IMAGE


@pytest.fixture(scope="module")
def reference():
    with np.load(os.path.join(parity.FOLDER, "torchvision_masks.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def model():
    return seed_weights(build_model("mask_rcnn_r50_fpn_torchvision.py")).eval()


@pytest.fixture(scope="module")
def feats(model):
    pixels, _, _ = parity.load_image(shared("data", "coco_mini"), IMAGE)
    with jt.no_grad():
        return model.features(jt.array(pixels[None]))


def rois_of(boxes):
    return jt.array(np.column_stack([np.zeros(len(boxes), np.float32), boxes]))


def test_detections_and_mask_logits(model, feats, reference):
    pixels, size, _ = parity.load_image(shared("data", "coco_mini"), IMAGE)
    targets = Targets([dict(img_id=IMAGE, img_size=size, ori_img_size=size)], training=False)
    with jt.no_grad():
        proposals, _ = model.rpn(feats, targets)
        (result,) = model.roi_head(feats, proposals, targets)
        logits = model.roi_head.mask.forward(feats, rois_of(reference["boxes"]))
    ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
    assert_same_set(ours, np.column_stack([reference["boxes"], reference["scores"] * 500, reference["labels"]]))
    assert_features(logits.numpy(), reference, "mask")
    assert_close_masks(result, reference)


def assert_close_masks(result, reference):
    """torchvision resizes a mask, with a border of one cell, into a box of whole pixels: the widened box, rounded down, and a
    pixel more. Ours, as mmdet's, is sampled at the centres of the pixels within the box itself. So theirs is shifted by up to
    two pixels, and differs along the edges alone."""
    rles, overlaps, different = reference["rles"].tobytes().split(b"\n"), [], 0
    for box, label, counts in zip(reference["boxes"], reference["labels"], rles):
        distance = np.abs(result["boxes"] - box).max(axis=1) + 1e6 * (result["labels"] != label)
        rle = result["masks"][distance.argmin()]
        theirs = {"size": rle["size"], "counts": counts}
        overlaps.append(coco_mask.iou([rle], [theirs], [0])[0, 0])
        ours, theirs = (coco_mask.decode(mask).astype(bool) for mask in (rle, theirs))
        different += ((ours != theirs) & ~near_an_edge(ours, 2)).sum()
    area = np.prod(reference["boxes"][:, 2:] - reference["boxes"][:, :2], axis=1).sum()
    print("IoU of our masks with torchvision's: median", np.median(overlaps), "least", min(overlaps))
    print(f"{different} of {area:.0f} pixels of the boxes differ away from edges")
    assert different <= 1e-3 * area


def near_an_edge(mask, distance):
    """Where both values are found within `distance` rows and columns."""
    padded = np.pad(mask, distance)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * distance + 1,) * 2)
    return windows.any(axis=(2, 3)) & ~windows.all(axis=(2, 3))


def test_mask_loss(model, feats, reference):
    """torchvision's targets: the share of the object in each pixel, without a threshold."""
    branch = model.train().roi_head.mask
    folder = shared("data", "coco_mini")
    _, size, _ = parity.load_image(folder, IMAGE)
    boxes, labels, _ = parity.load_boxes(folder, IMAGE)
    masks = InstanceMasks(parity.load_polygons(folder, IMAGE, size), *size)
    truth = mask_truth(
        Targets([dict(img_id=IMAGE, img_size=size, ori_img_size=size, bboxes=boxes, labels=labels, masks=masks)], True)
    )
    positives, matched = reference["positives"], reference["matched"].astype(np.int32)
    logits = branch.head.class_logits(branch.extractor(feats, rois_of(positives)), jt.array(labels[matched].astype(np.int32)))
    wanted = mask_targets(
        truth.bitmaps, truth.places, jt.array(positives), jt.array(matched), truth.size, 28, aligned=branch.target_aligned
    )
    assert branch.target_thr is None
    loss = branch.head.losses(logits, wanted, jt.ones(len(positives)))["loss_mask"]
    assert loss.item() == pytest.approx(reference["loss_mask"], rel=1e-4)
    gradient = jt.grad(loss, branch.head.upsample.weight).numpy()
    assert np.linalg.norm(gradient) == pytest.approx(reference["grad/norm"], rel=1e-3)
    atol = 1e-3 * np.abs(gradient).max()
    np.testing.assert_allclose(parity.sampled(gradient, "grad"), reference["grad"], rtol=0, atol=atol)


def test_number_of_parameters(model, reference):
    """torchvision's has rows of the background in the boxes and masks, which are none here."""
    counted = sum(var.numel() for name, var in model.state_dict().items() if "running_" not in name)
    assert counted == reference["parameters"] - 4 * (1024 + 1) - (256 + 1)
