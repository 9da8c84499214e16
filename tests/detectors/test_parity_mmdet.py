"""The same function as mmdet 3.3's faster-rcnn_r50_fpn_1x_coco, on the same weights and real images.

reference/mmdet.npz was written by reference/make_mmdet.py.
"""

import os

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.structures import Targets, proposals_of
from jsra.convert.names import current
from tests.conftest import shared
from tests.detectors import parity
from tests.detectors.conftest import build_model, seed_weights


@pytest.fixture(scope="module")
def reference():
    with np.load(os.path.join(parity.FOLDER, "mmdet.npz")) as stored:
        return dict(stored)


def assert_features(ours, reference, name):
    """Within 1e-4 of the map's largest number at the sampled places; the statistics too."""
    mean, std, largest = reference[f"{name}/scale"]
    np.testing.assert_allclose(parity.sampled(ours, name), reference[name], atol=1e-4 * largest, rtol=0, err_msg=name)
    np.testing.assert_allclose([ours.mean(), ours.std()], [mean, std], atol=1e-4 * std, err_msg=name)


@pytest.mark.parametrize("image_id", parity.IMAGES)
def test_inference(faster_rcnn, maps_of, reference, image_id):
    model, feats = faster_rcnn, maps_of(image_id)
    _, size, original = parity.load_image(shared("data", "coco_mini"), image_id)
    target = dict(img_id=image_id, img_size=size, ori_img_size=original)
    with jt.no_grad():
        logits, deltas = model.rpn.forward_levels(feats)
        for kind, levels in (("fpn", feats), ("rpn_cls", logits), ("rpn_box", deltas)):
            for level, var in enumerate(levels):
                assert_features(var.numpy(), reference, f"{image_id}/{kind}{level}")
        targets = Targets([target], training=False)
        proposals, losses = model.rpn(feats, targets)
        assert losses == {}
        theirs = reference[f"{image_id}/proposals"]
        valid = proposals.valid.numpy()[0] > 0
        assert valid.sum() == len(theirs)
        assert_same_set(proposals.boxes.numpy()[0][valid], theirs)
        (result,) = model.roi_head(feats, proposals, targets)
    assert result["img_id"] == image_id
    theirs = [reference[f"{image_id}/{key}"] for key in ("boxes", "scores", "labels")]
    assert len(result["scores"]) == len(theirs[1])
    # Labels and scores as further coordinates, in units of which the tolerance of boxes is theirs: 0.05 px, 1e-4.
    ours = np.column_stack([result["boxes"], result["scores"] * 500, result["labels"]])
    assert_same_set(ours, np.column_stack([theirs[0], theirs[1] * 500, theirs[2]]))
    np.testing.assert_allclose(result["scores"], theirs[1], atol=1e-4)


def assert_same_set(ours, theirs, tolerance=0.05):
    """Each row has a partner, whatever the order: scores that differ by less than rounding come in either."""
    distance = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    partner = distance.argmin(axis=1)
    assert distance.min(axis=1).max() < tolerance, np.sort(distance.min(axis=1))[-8:]
    assert len(set(partner)) == len(theirs)


def test_training_losses_and_gradients(reference):
    folder = shared("data", "coco_mini")
    model = seed_weights(build_model()).train()
    model.rpn.sampler.num, model.roi_head.box.sampler.num = 300_000, 2000  # more than there are: all of them
    model.rpn.sampler.pos_fraction = model.roi_head.box.sampler.pos_fraction = 1.0
    images, targets, given = [], [], []
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
        given.append(parity.proposals(boxes, size, image_id))
    feats = model.features(jt.array(parity.batch(images)))
    targets = Targets(targets, training=True)
    _, losses = model.rpn(feats, targets)
    losses.update(model.roi_head(feats, proposals_of(given), targets))
    assert set(losses) == {"loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box"}
    state = model.state_dict()
    gradients = jt.grad(sum(losses.values()), [state[current(name)] for name in parity.GRADIENTS])
    jt.sync(gradients)
    for name, loss in losses.items():
        np.testing.assert_allclose(loss.item(), reference[name], rtol=1e-4, err_msg=name)
    for name, gradient in zip(parity.GRADIENTS, gradients):
        norm = reference[f"grad/{name}/norm"]
        ours = gradient.numpy()
        np.testing.assert_allclose(np.linalg.norm(ours), norm, rtol=1e-3, err_msg=name)
        expected = reference[f"grad/{name}"]
        np.testing.assert_allclose(parity.sampled(ours, name), expected, atol=1e-3 * abs(expected).max(), err_msg=name)


def test_number_of_parameters(faster_rcnn):
    """design.md: 41.753056 M, frozen ones included; statistics of BatchNorm are no parameters."""
    counted = sum(var.numel() for name, var in faster_rcnn.state_dict().items() if "running_" not in name)
    assert counted == 41_753_056
