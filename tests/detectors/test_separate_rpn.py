"""Two networks for one detector: which loss trains which network, and which one gets a classifier's weights."""

import jittor as jt
import numpy as np
import pytest

from jsra import registry
from jsra.convert.files import write_weights
from jsra.convert.load import load_weights
from tests.detectors.conftest import model_settings


@pytest.fixture(scope="module")
def model():
    settings = model_settings("mini_r18_fpn.py")
    settings.update(type="SeparateRPN", rpn_backbone=settings["backbone"], rpn_neck=settings["neck"])
    jt.set_global_seed(1)
    return registry.build(settings, "model").train()


def test_each_network_learns_from_its_own_losses(model, rng):
    target = dict(
        img_id=0, bboxes=np.float32([[4, 6, 50, 60]]), labels=np.int32([2]), bboxes_ignore=None, img_size=(64, 64),
        ori_img_size=(64, 64), pad_shape=(64, 64),
    )  # fmt: skip
    losses = model(jt.array(rng.normal(0, 1, (1, 3, 64, 64)).astype(np.float32)), [target])
    state = model.state_dict()
    both = [state[name] for name in ("backbone.layer2.0.downsample.0.weight", "rpn_backbone.layer2.0.downsample.0.weight")]
    of_proposals = jt.grad(losses["loss_rpn_cls"] + losses["loss_rpn_box"], both)
    of_detections = jt.grad(losses["loss_cls"] + losses["loss_box"], both)
    assert [np.abs(g.numpy()).max() > 0 for g in of_proposals] == [False, True]
    assert [np.abs(g.numpy()).max() > 0 for g in of_detections] == [True, False]


def test_a_classifier_is_loaded_into_both(model, tmp_path, rng):
    weights = {
        name[len("backbone.") :]: rng.normal(0, 1, tuple(var.shape)).astype(np.float32)
        for name, var in model.state_dict().items()
        if name.startswith("backbone.")
    }
    write_weights(tmp_path / "resnet.safetensors", weights)
    report = load_weights(model, tmp_path / "resnet.safetensors")
    assert len(report.matched) == 2 * len(weights) and not report.unexpected
    for name in ("backbone.layer3.1.conv2.weight", "rpn_backbone.layer3.1.conv2.weight"):
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), weights["layer3.1.conv2.weight"])
