"""mmdet's Faster R-CNN with ports/mmdet_sra.py and ours with SRA are the same function, for the same weights and real images.

vectors/mmdet.npz was written by make_mmdet.py.
"""

import os

import jittor as jt
import numpy as np
import pytest

from jsra import registry
from jsra.boxes.structures import Targets, proposals_of
from jsra.config import load_config
from jsra.convert.convert import from_jsra, to_jsra
from jsra.engine.optimizer import SGD
from jsra.resources import folder
from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.test_parity_mmdet import assert_same_set
from tests.ports import mmdet_model

LOSSES = ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box")


@pytest.fixture(scope="module")
def reference():
    with np.load(mmdet_model.VECTORS) as stored:
        return dict(stored)


def build():
    config = load_config(os.path.join(folder("jdet_configs"), "faster_rcnn_r50_fpn_sra_1x_coco.py"))
    model = registry.build(config["model"], "model")
    for name, var in model.state_dict().items():
        var.update(jt.array(mmdet_model.seeded(name, tuple(var.shape))))
    return model


@pytest.fixture(scope="module")
def model():
    return build().eval()


@pytest.mark.parametrize("image_id", parity.IMAGES)
def test_detections(model, reference, image_id):
    pixels, size, original = parity.load_image(shared("data", "coco_mini"), image_id)
    with jt.no_grad():
        (result,) = model(jt.array(pixels[None]), [dict(img_id=image_id, img_size=size, ori_img_size=original)])
    boxes, scores, labels = (reference[f"{image_id}/{key}"] for key in ("boxes", "scores", "labels"))
    assert len(result["scores"]) == len(scores)
    # Labels and scores as further coordinates, in units of which the tolerance of boxes is theirs: 0.05 px, 1e-4.
    ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
    assert_same_set(ours, np.column_stack([boxes, scores * 500, labels]))
    np.testing.assert_allclose(result["scores"], scores, atol=1e-4)


def training():
    """(the model, a function that gives its losses on parity's batch, in which all samples are taken)."""
    data, model = shared("data", "coco_mini"), build()
    for part in (model.rpn, model.roi_head.box):
        part.sampler.num, part.sampler.pos_fraction = 300_000 if part is model.rpn else 2000, 1.0
    model.train()
    images, targets, given = [], [], []
    for image_id in parity.TRAINING:
        pixels, size, original = parity.load_image(data, image_id)
        boxes, labels, crowd = parity.load_boxes(data, image_id)
        images.append(pixels)
        targets.append(
            dict(
                img_id=image_id, bboxes=boxes, labels=labels, bboxes_ignore=crowd, img_size=size, ori_img_size=original,
                pad_shape=pixels.shape[:0:-1],
            )
        )  # fmt: skip
        given.append(parity.proposals(boxes, size, image_id))
    images, targets, given = jt.array(parity.batch(images)), Targets(targets, training=True), proposals_of(given)

    def losses():
        feats = model.features(images)
        _, found = model.rpn(feats, targets)
        found.update(model.roi_head(feats, given, targets))
        return found

    return model, losses


def test_training(reference):
    """Losses and gradients, then two of mmdet's ten steps; JSRA_MMDET_STEPS=10 compares them all."""
    model, losses = training()
    found, state = losses(), model.state_dict()
    gradients = jt.grad(sum(found.values()), [state[name] for name in mmdet_model.GRADIENTS])
    jt.sync(gradients)
    for name in LOSSES:
        np.testing.assert_allclose(found[name].item(), reference[name], rtol=1e-4, err_msg=name)
    for name, gradient in zip(mmdet_model.GRADIENTS, gradients):
        ours, expected = gradient.numpy(), reference[f"grad/{name}"]
        np.testing.assert_allclose(np.linalg.norm(ours), reference[f"grad/{name}/norm"], rtol=1e-3, err_msg=name)
        # Rounding decides the sign at some of the many ReLUs: 5e-3 was seen.
        np.testing.assert_allclose(parity.sampled(ours, name), expected, atol=1e-2 * abs(expected).max(), err_msg=name)
    optimizer = SGD(model.parameters(), lr=mmdet_model.RATE, momentum=0.9)
    for step in range(1, int(os.environ.get("JSRA_MMDET_STEPS", 2))):
        optimizer.step(sum(found.values()))
        found = losses()
        values = [found[name].item() for name in LOSSES]
        print(step, values)
        np.testing.assert_allclose(values, reference["steps"][step], rtol=1e-3, err_msg=f"step {step}")


def test_weights_convert_both_ways(model):
    """SRA's too, to the names that the adapters give them."""
    ours = {name: var.numpy() for name, var in model.state_dict().items()}
    layer = {name[len(mmdet_model.LAYER) :] for name in ours if name.startswith(mmdet_model.LAYER)}
    assert len(layer) == 16
    for family, prefix in (("mmdet", "roi_head.bbox_roi_extractor."), ("torchvision", "roi_heads.box_roi_pool.")):
        theirs = from_jsra(ours, family)
        assert not theirs.unexpected and {f"{prefix}roi_layer.{name}" for name in layer} <= set(theirs.arrays)
        back = to_jsra(theirs.arrays)
        assert back.family == family and not back.unexpected and set(back.arrays) == set(ours)
        for name, array in ours.items():
            np.testing.assert_array_equal(back.arrays[name], array, err_msg=name)
