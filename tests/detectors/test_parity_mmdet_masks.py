"""The same function as mmdet 3.3's Mask R-CNN and Cascade Mask R-CNN R50-FPN, on the same weights and real images.

reference/mmdet_*.npz were written by reference/make_mmdet_masks.py, with every tenth mask. If JSRA_MMDET names a Python
with mmdet, that is run instead: all masks are compared, and the cascade on all images.
"""

import json
import os
import subprocess

import jittor as jt
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from jsra import registry
from jsra.boxes.structures import Targets, proposals_of
from jsra.data.masks import InstanceMasks
from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.conftest import build_model, model_settings, seed_weights
from tests.detectors.test_parity_mmdet import assert_features, assert_same_set

DETECTORS = ("mask_rcnn", "cascade_mask_rcnn")


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """{detector: what mmdet answers, masks_every: of which masks}."""
    place, every = parity.FOLDER, 10
    if "JSRA_MMDET" in os.environ:
        place, every = str(tmp_path_factory.mktemp("mmdet")), 1
        script = os.path.join(parity.FOLDER, "make_mmdet_masks.py")
        options = [shared("data", "coco_mini"), "--out", place, "--every", str(every)]
        subprocess.run([os.environ["JSRA_MMDET"], script, *options], check=True)
    found = {}
    for name in DETECTORS:
        with np.load(os.path.join(place, f"mmdet_{name}.npz")) as stored:
            found[name] = {**stored, "masks_every": every}
    return found


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request, references):
    """(the RPN, the RoI head, what mmdet answers)."""
    settings = model_settings(f"{request.param}_r50_fpn.py")
    rpn, head = (seed_weights(registry.build(settings[name], name), f"{name}.") for name in ("rpn", "roi_head"))
    return rpn, head, references[request.param]


def box_stages(head):
    return list(getattr(head.box, "stages", [head.box]))


def of_stages(value):
    """What each stage of a cascade answers, or its mask branches; or that of the only one."""
    return value if isinstance(value, list) else list(getattr(value, "stages", [value]))


@pytest.fixture(scope="module")
def proposals():
    with np.load(os.path.join(parity.FOLDER, "mmdet.npz")) as stored:
        return {image_id: stored[f"{image_id}/proposals"] for image_id in parity.IMAGES}


@pytest.mark.parametrize("image_id", parity.IMAGES)
def test_inference(detector, maps_of, proposals, monkeypatch, image_id):
    _, head, reference = detector
    if len(box_stages(head)) > 1 and image_id != parity.TRAINING[-1] and "JSRA_MMDET" not in os.environ:
        pytest.skip("one image shows it: set JSRA_MMDET to a Python with mmdet for all")
    feats = maps_of(image_id)
    head.eval()
    _, size, original = parity.load_image(shared("data", "coco_mini"), image_id)
    targets = Targets([dict(img_id=image_id, img_size=size, ori_img_size=original)], training=False)
    seen = []
    for stage in box_stages(head):
        monkeypatch.setattr(stage.head, "execute", recorded(stage.head.execute, seen))
    with jt.no_grad():
        (result,) = head(feats, proposals_of([proposals[image_id]]), targets)
        for i, (_, (logits, deltas)) in enumerate(seen):
            background_last = np.roll(logits.numpy(), -1, axis=1)
            assert_features(background_last, reference, f"{image_id}/cls{i}")
            assert_features(deltas.numpy(), reference, f"{image_id}/box{i}")
        boxes, scores, labels = (reference[f"{image_id}/{key}"] for key in ("boxes", "scores", "labels"))
        ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
        assert_same_set(ours, np.column_stack([boxes, scores * 500, labels]))
        rois = np.column_stack([np.zeros(len(boxes)), boxes * np.tile(np.divide(size, original), 2)])
        logits = of_stages(head.mask.forward(feats, jt.array(rois.astype(np.float32))))
        for i, stage in enumerate(logits):
            assert_features(stage.numpy(), reference, f"{image_id}/mask{i}")
    assert_same_masks(result, reference, image_id)


def recorded(execute, calls):
    """The same function; its arguments and answers are kept."""

    def call(*args):
        calls.append((args, execute(*args)))
        return calls[-1][1]

    return call


def assert_same_masks(result, reference, image_id):
    """At most 0.1% of the pixels of their boxes differ."""
    height, width = result["masks"][0]["size"]
    boxes, labels = (reference[f"{image_id}/{key}"][:: reference["masks_every"]] for key in ("boxes", "labels"))
    counts = json.loads(reference[f"{image_id}/rles"].tobytes())
    assert len(counts) == len(boxes)
    different = pixels = 0
    for box, label, text in zip(boxes, labels, counts):
        distance = np.abs(result["boxes"] - box).max(axis=1) + 1e6 * (result["labels"] != label)
        theirs = coco_mask.decode({"size": [height, width], "counts": text})
        different += (coco_mask.decode(result["masks"][distance.argmin()]) != theirs).sum()
        pixels += (box[2] - box[0]) * (box[3] - box[1])
    print(f"image {image_id}: {different} of {pixels:.0f} pixels of {len(counts)} masks differ")
    assert different <= 1e-3 * pixels


def test_training_losses_and_gradients(detector, faster_rcnn, monkeypatch):
    rpn, head, reference = detector
    rpn.sampler.num, rpn.sampler.pos_fraction = 300_000, 1.0
    head.train()
    for stage in box_stages(head):
        stage.sampler.num, stage.sampler.pos_fraction = 64, 0.5  # more than there are: all of them
    folder = shared("data", "coco_mini")
    images, targets, given, seen = [], [], [], []
    for image_id in parity.TRAINING:
        pixels, size, original = parity.load_image(folder, image_id)
        boxes, labels, crowd = parity.load_boxes(folder, image_id)
        images.append(pixels)
        targets.append(
            dict(
                img_id=image_id, bboxes=boxes, labels=labels, bboxes_ignore=crowd, img_size=size, ori_img_size=original,
                pad_shape=pixels.shape[:0:-1], masks=InstanceMasks(parity.load_polygons(folder, image_id, size), *size),
            )
        )  # fmt: skip
        given.append(parity.proposals(boxes, size, image_id, **parity.FEW))
    with jt.no_grad():
        feats = faster_rcnn.features(jt.array(parity.batch(images)))
    feats = [jt.array(feat.numpy()) for feat in feats]
    for stage in of_stages(head.mask):
        monkeypatch.setattr(stage.head, "losses", recorded(stage.head.losses, seen))
    targets = Targets(targets, training=True)
    losses = head(feats, proposals_of(given), targets)
    with jt.no_grad():
        anchors = rpn.anchor_generator.grids([x.shape[2:] for x in feats])
        first_stage = rpn.losses(*rpn.forward_levels(feats), anchors, targets)
    assert {*losses, *first_stage} == {name for name in reference if "loss_" in name}
    state = {f"roi_head.{name}": var for name, var in head.state_dict().items()}
    names = [name[len("grad/") : -len("/norm")] for name in reference if name.endswith("/norm")]
    assert len(names) == sum(name.endswith("weight") for name in state)
    gradients = jt.grad(sum(losses.values()), [*feats[:4], *(state[name] for name in names)])
    jt.sync(gradients)
    for name, loss in [*losses.items(), *first_stage.items()]:
        np.testing.assert_allclose(loss.item(), reference[name], rtol=1e-4, err_msg=name)
    for i, ((_, wanted, weights), _) in enumerate(seen):
        assert_same_targets(wanted.numpy()[weights.numpy() > 0], reference, i)
    for level, gradient in enumerate(gradients[:4]):
        assert_features(gradient.numpy(), reference, f"grad/level{level}")
    for name, gradient in zip(names, map(jt.Var.numpy, gradients[4:])):
        np.testing.assert_allclose(np.linalg.norm(gradient), reference[f"grad/{name}/norm"], rtol=1e-3, err_msg=name)
        expected = reference[f"grad/{name}"]
        atol = 1e-3 * np.abs(gradient).max()
        np.testing.assert_allclose(parity.sampled(gradient, name), expected, rtol=0, atol=atol, err_msg=name)


def assert_same_targets(ours, reference, stage):
    """The same 0 and 1 everywhere."""
    shape = reference[f"targets{stage}/size"]
    theirs = np.unpackbits(reference[f"targets{stage}"], count=shape.prod()).reshape(shape)
    np.testing.assert_array_equal(ours, theirs, err_msg=f"stage {stage}")


@pytest.mark.parametrize(
    "config, parameters", [("mask_rcnn", None), ("cascade_mask_rcnn", None), ("cascade_rcnn", 69_394_766)]
)
def test_number_of_parameters(references, config, parameters):
    """mmdet's, frozen ones included; None: see the reference."""
    state = build_model(f"{config}_r50_fpn.py").state_dict()
    counted = sum(var.numel() for name, var in state.items() if "running_" not in name)
    assert counted == (parameters or references[config]["parameters"])
