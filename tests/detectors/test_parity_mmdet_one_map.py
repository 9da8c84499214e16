"""The same function as mmdet 3.3's Faster R-CNN R50 on one map (C4; dilated C5), on the same weights and a real image.

reference/mmdet_c4.npz and mmdet_dc5.npz were written by reference/make_mmdet_one_map.py.
"""

import os

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.structures import Targets, proposals_of
from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.conftest import build_model
from tests.detectors.test_parity_mmdet import assert_same_set


@pytest.fixture(scope="module", params=list(parity.ONE_MAP))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def reference(name):
    with np.load(os.path.join(parity.FOLDER, f"mmdet_{name}.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def model(name):
    model = build_model(f"faster_rcnn_r50_{name}.py")
    for weight, var in model.state_dict().items():
        var.update(jt.array(parity.modest(weight, tuple(var.shape))))
    return model


def test_inference(model, reference):
    image_id = parity.TRAINING[1]
    pixels, size, original = parity.load_image(shared("data", "coco_mini"), image_id)
    model.eval()
    model.rpn.test_proposals.max_per_img = min(model.rpn.test_proposals.max_per_img, len(reference["proposals"]))
    with jt.no_grad():
        (x,) = feats = model.features(jt.array(pixels[None]))
        assert x.shape[2:] == [pixels.shape[1] // 16, pixels.shape[2] // 16]
        (largest,) = reference["map/scale"]
        np.testing.assert_allclose(parity.sampled(x.numpy(), "map"), reference["map"], atol=1e-4 * largest)
        targets = Targets([dict(img_id=image_id, img_size=size, ori_img_size=original)], training=False)
        proposals, _ = model.rpn(feats, targets)
        valid = proposals.valid.numpy()[0] > 0
        assert valid.sum() == len(reference["proposals"])
        assert_same_set(proposals.boxes.numpy()[0][valid], reference["proposals"])
        (result,) = model.roi_head(feats, proposals, targets)
    ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
    theirs = np.column_stack([reference["boxes"], reference["scores"] * 500, reference["labels"]])
    assert_same_set(ours, theirs)


def test_training_losses_and_gradients(model, reference, name):
    folder, image_id = shared("data", "coco_mini"), parity.TRAINING[1]
    model.rpn.sampler.pos_fraction = model.roi_head.box.sampler.pos_fraction = 1.0
    model.train()
    pixels, size, original = parity.load_image(folder, image_id)
    boxes, labels, _ = parity.load_boxes(folder, image_id)
    target = dict(
        img_id=image_id, bboxes=boxes, labels=labels % 30 + 1, bboxes_ignore=None, img_size=size, ori_img_size=original,
        pad_shape=pixels.shape[:0:-1],
    )  # fmt: skip
    feats = model.features(jt.array(pixels[None]))
    targets = Targets([target], training=True)
    few, names = parity.ONE_MAP[name]
    around = parity.proposals(boxes, size, image_id, **few)
    # All of them, the objects too.
    model.rpn.sampler.num, model.roi_head.box.sampler.num = 300_000, len(around) + len(boxes)
    _, losses = model.rpn(feats, targets)
    losses.update(model.roi_head(feats, proposals_of([around]), targets))
    for kind, loss in losses.items():
        np.testing.assert_allclose(loss.item(), reference[kind], rtol=1e-4, err_msg=kind)
    gradients = jt.grad(sum(losses.values()), [model.state_dict()[name] for name in names])
    jt.sync(gradients)
    for name, gradient in zip(names, gradients):
        ours, expected = gradient.numpy(), reference[f"grad/{name}"]
        np.testing.assert_allclose(np.linalg.norm(ours), reference[f"grad/{name}/norm"], rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(parity.sampled(ours, name), expected, atol=1e-3 * abs(expected).max(), err_msg=name)
