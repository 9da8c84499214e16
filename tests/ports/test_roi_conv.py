"""The port of RoIConv computes the same function as jsra. vectors/roi_conv.npz was written by make_roi_conv.py."""

import os

import jittor as jt
import numpy as np
import pytest

from jsra.roi.align_conv import RoIConv
from tests.ports.cases import VECTORS


@pytest.mark.parametrize("name", ["one", "two"])
def test_the_port_answered_the_same(name):
    with np.load(os.path.join(VECTORS, "roi_conv.npz")) as file:
        stored = {key[len(name) + 1 :]: file[key] for key in file.files if key.startswith(f"{name}/")}
    weight = stored["weight"]
    layer = RoIConv(4, 3, weight.shape[2:])
    layer.load_state_dict({"weight": weight, "bias": weight[:, 0, 0, 0].copy()})
    x = jt.array(stored["x"])
    out = layer(x, jt.array(stored["boxes"]), 8)
    gradients = jt.grad((out * jt.array(stored["cotangent"])).sum(), [x, layer.weight, layer.bias])
    jt.sync([out, *gradients])
    np.testing.assert_allclose(out.numpy(), stored["output"], atol=1e-5 * abs(stored["output"]).max())
    for key, gradient in zip(("grad_x", "grad_weight", "grad_bias"), gradients):
        np.testing.assert_allclose(gradient.numpy(), stored[key], atol=1e-4 * abs(stored[key]).max(), err_msg=key)
