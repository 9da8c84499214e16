"""The same function as mmdet 3.3's retinanet_r50_fpn_1x_coco, on the same weights and real images.

reference/retinanet.npz was written by reference/make_retinanet.py.
"""

import os

import jittor as jt
import numpy as np
import pytest

from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.conftest import build_model
from tests.detectors.test_parity_mmdet import assert_features, assert_same_set


@pytest.fixture(scope="module")
def reference():
    with np.load(os.path.join(parity.FOLDER, "retinanet.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def model():
    model = build_model("retinanet_r50_fpn.py")
    for name, var in model.state_dict().items():
        var.update(jt.array(parity.seeded(name, tuple(var.shape))))
    return model


@pytest.mark.parametrize("image_id", parity.RETINANET_IMAGES)
def test_inference(model, reference, image_id):
    folder = shared("data", "coco_mini")
    model.eval()
    pixels, size, original = parity.load_image(folder, image_id)
    with jt.no_grad():
        feats = model.features(jt.array(pixels[None]))
        for kind, levels in (("fpn", feats), ("cls", model.head.logits(feats)), ("box", model.head.deltas(feats))):
            for level, var in enumerate(levels):
                assert_features(var.numpy(), reference, f"{image_id}/{kind}{level}")
        target = dict(img_id=image_id, img_size=size, ori_img_size=original)
        (result,) = model(jt.array(pixels[None]), [target])
    assert result["img_id"] == image_id
    theirs = [reference[f"{image_id}/{key}"] for key in ("boxes", "scores", "labels")]
    # Labels and scores as further coordinates, in units of which the tolerance of boxes is theirs: 0.05 px, 1e-4.
    ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
    assert_same_set(ours, np.column_stack([theirs[0], theirs[1] * 500, theirs[2]]))
    np.testing.assert_allclose(result["scores"], theirs[1], atol=1e-4)


def test_training_losses_and_gradients(model, reference):
    folder = shared("data", "coco_mini")
    model.train()
    images, targets = [], []
    for image_id in parity.TRAINING:
        pixels, size, original = parity.load_image(folder, image_id)
        boxes, labels, crowd = parity.load_boxes(folder, image_id)
        images.append(pixels)
        targets.append(
            dict(
                img_id=image_id, bboxes=boxes, labels=labels, bboxes_ignore=crowd, img_size=size, ori_img_size=original,
                pad_shape=pixels.shape[:0:-1],
            )
        )  # fmt: skip
    losses = model(jt.array(parity.batch(images)), targets)
    state = model.state_dict()
    gradients = jt.grad(sum(losses.values()), [state[name] for name in parity.RETINANET_GRADIENTS])
    jt.sync(gradients)
    assert set(losses) == {"loss_cls", "loss_box"}
    for name, loss in losses.items():
        np.testing.assert_allclose(loss.item(), reference[name], rtol=1e-4, err_msg=name)
    for name, gradient in zip(parity.RETINANET_GRADIENTS, gradients):
        ours = gradient.numpy()
        np.testing.assert_allclose(np.linalg.norm(ours), reference[f"grad/{name}/norm"], rtol=1e-3, err_msg=name)
        expected = reference[f"grad/{name}"]
        np.testing.assert_allclose(parity.sampled(ours, name), expected, atol=1e-3 * abs(expected).max(), err_msg=name)


def test_number_of_parameters(model):
    """mmdet's: 37.97 M, frozen ones included."""
    assert sum(var.numel() for name, var in model.state_dict().items() if "running_" not in name) == 37_968_692
