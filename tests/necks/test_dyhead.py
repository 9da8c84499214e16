"""DyHead against mmdet's (make_dyhead.py), and its refusals."""

import os

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.convert.convert import to_jsra
from jsra.necks.dyhead import DyHead, DynamicConv
from jsra.ops.deform_conv2d import deform_conv2d
from jsra.ops.upsample import upsample_bilinear_corners

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dyhead.npz")


class Given(nn.Module):
    """A neck that hands on what it gets."""

    def execute(self, maps):
        return maps


def ours(arrays):
    """By the names of mmdet's neck -> by ours of a detector."""
    found = to_jsra({f"neck.1.{name}": array for name, array in arrays.items()}, "mmdet")
    assert not found.unexpected
    return {name[len("neck.") :]: array for name, array in found.arrays.items()}


def test_maps_and_gradients_are_those_of_mmdet():
    with np.load(FILE) as file:
        arrays = {name: file[name] for name in file.files}
    head = DyHead(Given(), 16, 2)
    state = head.state_dict()
    weights = ours({name[2:]: array for name, array in arrays.items() if name.startswith("w.")})
    assert sorted(weights) == sorted(state)
    for name, array in weights.items():
        assert tuple(state[name].shape) == array.shape
        state[name].assign(jt.array(array))
    maps = [jt.array(arrays[f"map{i}"]) for i in range(3)]
    outs = head(maps)
    loss = sum(((o * jt.array(arrays[f"dout{i}"])).sum() for i, o in enumerate(outs)), jt.zeros(1))
    found = jt.grad(loss, [*maps, *(state[name] for name in weights)])
    jt.sync([*outs, *found])
    for i, out in enumerate(outs):
        close(out.numpy(), arrays[f"out{i}"], 1e-4, f"map {i}")
        close(found[i].numpy(), arrays[f"dmap{i}"], 1e-3, f"gradient of map {i}")
    gradients = ours({name[3:]: array for name, array in arrays.items() if name.startswith("dw.")})
    for name, gradient in zip(weights, found[3:]):
        close(gradient.numpy(), gradients[name], 1e-3, f"gradient of {name}")


def close(found, expected, tolerance, what):
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{what}: {error:.1e} of the largest")
    assert error <= tolerance, f"{what}: differs by {error:.1e} of the largest"


def test_parameters():
    """Six blocks of 256 channels: mmdet's, and the authors' with a bias for each of the three deformable convolutions."""
    counts = [sum(p.numel() for p in DyHead(Given(), conv_bias=bias).parameters()) for bias in (False, True)]
    assert round(counts[0] / 1e6, 2) == 11.50 and counts[1] - counts[0] == 6 * 3 * 256


def test_the_bias_is_added_before_the_norm(rng):
    """Two channels share a norm: what is added to one of them changes both."""
    layer = DynamicConv(32, bias=True)
    bias = rng.standard_normal(32, np.float32)
    layer.bias.assign(jt.array(bias))
    x, offset, mask = (jt.array(rng.standard_normal((1, c, 5, 6), np.float32)) for c in (32, 18, 9))
    made = deform_conv2d(x, offset, layer.weight, padding=1, mask=mask).numpy() + bias[:, None, None]
    made = made.reshape(16, 2 * 5 * 6)
    expected = (made - made.mean(1, keepdims=True)) / np.sqrt(made.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(x, offset, mask).numpy().reshape(16, -1), expected, atol=1e-4)


def test_upsampling_by_hand():
    """From 2 to 4 with the corners on the corners: positions 0, 1/3, 2/3, 1; from 1: the same everywhere."""
    x = jt.array(np.float32([[[[0.0, 3.0]]]]))
    np.testing.assert_allclose(upsample_bilinear_corners(x, (2, 4)).numpy()[0, 0], [[0, 1, 2, 3]] * 2, atol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="channels must be a multiple of 16, for the group norms, got 24"):
        DyHead(Given(), 24)
    head = DyHead(Given(), 16, 1)
    with pytest.raises(ValueError, match="levels go from fine to coarse"):
        head([jt.zeros((1, 16, 2, 2)), jt.zeros((1, 16, 4, 4))])
