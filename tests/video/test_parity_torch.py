"""The same functions as FGFA's parts in PyTorch, for the same weights; reference/make_torch.py wrote reference/torch.npz."""

import os

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.convert.convert import from_jsra, to_jsra
from jsra.detectors.fgfa import FGFA
from jsra.video.embedding import EmbedAggregator
from jsra.video.flownet import FlowNetS
from tests.video import parity


@pytest.fixture(scope="module")
def reference():
    with np.load(os.path.join(parity.FOLDER, "torch.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def model():
    none = nn.Module()
    model = FGFA(none, none, none, EmbedAggregator(parity.CHANNELS), FlowNetS(), scaled_grid=True)
    state = {n: v for n, v in model.state_dict().items() if n.startswith(("motion.", "aggregator."))}
    assert {name: tuple(var.shape) for name, var in state.items()} == parity.shapes()
    for name, var in state.items():
        var.update(jt.array(parity.seeded(name, tuple(var.shape))))
    return model


def test_flow_warping_and_aggregation(model, reference):
    images, references, sizes, maps = (jt.array(a) for a in parity.inputs())
    pixels = references.reshape(-1, *references.shape[2:])
    first = images.unsqueeze(1).repeat(1, parity.COUNT, 1, 1, 1).reshape(pixels.shape)
    flow = model.motion(first, pixels, sizes.unsqueeze(1).repeat(1, parity.COUNT, 1).reshape(-1, 2))
    full = nn.interpolate(flow, size=parity.SIZE, mode="bilinear", align_corners=False).numpy()
    full = full.reshape(parity.BATCH, parity.COUNT, *full.shape[1:])
    (warped,) = model.warped(images, pixels, [maps[:, 1:].reshape(-1, *maps.shape[2:])], sizes)
    (joined,) = model.joined([maps[:, 0]], [warped])
    of_flow, of_warped, of_joined = reference["scales"]
    assert of_flow > 2  # pixels: something moves
    for b in range(parity.BATCH):
        for name, ours, scale in (("flow", full, of_flow), ("warped", warped.numpy(), of_warped)):
            np.testing.assert_allclose(
                parity.sampled(ours[b], f"{b}/{name}"), reference[f"{b}/{name}"], atol=1e-4 * scale, err_msg=f"{b}/{name}"
            )
    np.testing.assert_allclose(parity.sampled(joined.numpy(), "joined"), reference["joined"], atol=1e-4 * of_joined)
    state = model.state_dict()
    loss = (joined * jt.array(parity.weights_of_loss(tuple(joined.shape)))).sum()
    gradients = jt.grad(loss, [state[name] for name in parity.GRADIENTS])
    jt.sync(gradients)
    for name, gradient in zip(parity.GRADIENTS, gradients):
        ours, expected = gradient.numpy(), reference[f"grad/{name}"]
        np.testing.assert_allclose(np.linalg.norm(ours), reference[f"grad/{name}/norm"], rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(parity.sampled(ours, name), expected, atol=1e-3 * abs(expected).max(), err_msg=name)


def test_number_of_parameters(model):
    """38.68 M of FlowNetS, as in Dosovitskiy et al."""
    assert sum(np.prod(shape) for name, shape in parity.shapes().items() if name.startswith("motion.")) == 38_675_536


@pytest.mark.parametrize("family", ["flownet", "mmtrack"])
def test_names_of_checkpoints(family):
    """mmtracking's names of the pretrained FlowNetS alone, and of a whole detector, found out and back."""
    ours = {name: np.zeros(1) for name in parity.shapes() if family == "mmtrack" or name.startswith("motion.")}
    if family == "mmtrack":
        ours.update({"neck.convs.0.weight": np.zeros(1), "roi_head.box.head.cls.bias": np.arange(3.0)})
    theirs = from_jsra(ours, family)
    assert not theirs.unexpected
    prefix = "motion." if family == "mmtrack" else ""
    assert f"{prefix}conv3.1.conv.weight" in theirs.arrays and f"{prefix}upsample_flow2.conv.weight" in theirs.arrays
    back = to_jsra(theirs.arrays)
    assert back.family == family and list(back.arrays) == list(ours)
    if family == "mmtrack":
        assert theirs.arrays["detector.roi_head.bbox_head.fc_cls.bias"].tolist() == [1, 2, 0]
        assert "detector.neck.convs.0.conv.weight" in theirs.arrays
