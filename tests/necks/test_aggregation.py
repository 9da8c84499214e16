"""MSSA, MSCA and concatenation against a transcription of the paper's equations in PyTorch (make_aggregation.py)."""

import functools
import os

import jittor as jt
import numpy as np
import pytest

from jsra.necks.attention_fpn import MSCA, MSSA
from jsra.necks.concat_fpn import ConcatFPN
from jsra.necks.fpn import FPN
from jsra.ops.resample import upsample_bilinear
from tests.ops.tester import compare

CASES = {
    "MSSA": (MSSA, {}),
    "MSCA": (MSCA, {}),
    "MSCA adaptive": (MSCA, {"pooling": "adaptive", "pool_size": 3}),
    "MSSA single_scale, coarse": (MSSA, {"pooling": "single_scale", "attention_levels": [2]}),
    "ConcatFPN": (ConcatFPN, {}),
}
SMALL = dict(in_channels=[3, 4, 5], out_channels=8, num_outs=4)


@functools.lru_cache(None)
def vectors():
    found = {}
    with np.load(os.path.join(os.path.dirname(__file__), "aggregation.npz")) as file:
        for key in file.files:
            case, name = key.split("/")
            found.setdefault(case, {})[name] = file[key]
    return found


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_the_equations(case):
    (cls, settings), expected = CASES[case], vectors()[case]
    neck = cls(**SMALL, **settings, **({} if cls is ConcatFPN else {"strides": [4, 4, 2]}))
    parameters = neck.state_dict()
    names = [name[2:] for name in expected if name.startswith("w.")]
    assert sorted(parameters) == sorted(names)
    for name in names:
        parameters[name].assign(jt.array(expected[f"w.{name}"]))
    maps = [jt.array(expected[f"map{i}"]) for i in range(3)]
    outs = neck(maps)
    loss = outs[0].sum() * 0
    for i, out in enumerate(outs):
        loss += (out * jt.array(expected[f"dout{i}"])).sum()
    grads = jt.grad(loss, [*maps, *(parameters[name] for name in names)])
    jt.sync(grads)
    compare([o.numpy() for o in outs], [expected[f"out{i}"] for i in range(4)], 1e-4, case)
    compare([g.numpy() for g in grads[:3]], [expected[f"dmap{i}"] for i in range(3)], 1e-4, f"{case}, maps")
    for name, grad in zip(names, grads[3:]):
        compare([grad.numpy()], [expected[f"dw.{name}"]], 1e-4, f"{case}, {name}")


def test_without_modules_it_is_fpn():
    neck, fpn = MSSA(**SMALL, strides=[4, 4, 2], attention_levels=[]), FPN(**SMALL)
    fpn.load_parameters(neck.state_dict())
    maps = [jt.array(vectors()["MSSA"][f"map{i}"]) for i in range(3)]
    for ours, plain in zip(neck(maps), fpn(maps)):
        np.testing.assert_array_equal(ours.numpy(), plain.numpy())


def test_bilinear_upsampling_by_hand():
    """From 2 to 4, half-pixel: positions -1/4 (the edge), 1/4, 3/4, 5/4 (the edge)."""
    x = jt.array(np.float32([[[[0.0], [4.0]]]]))
    assert upsample_bilinear(x, (1, 4)).numpy().ravel().tolist() == [0, 1, 3, 4]


def test_refusals():
    with pytest.raises(ValueError, match="MSSA: strides must have one number for each of the 3 maps"):
        MSSA(**SMALL)
    settings = dict(SMALL, strides=[4, 4, 2])
    with pytest.raises(ValueError, match="MSCA: attention_levels must be of 0 to 2, got"):
        MSCA(**settings, attention_levels=[3])
    with pytest.raises(ValueError, match="pooling must be one of multi_scale, single_scale, adaptive"):
        MSSA(**settings, pooling="multiscale")
    with pytest.raises(ValueError, match="8 channels cannot be divided into 3 heads"):
        MSSA(**settings, num_heads=3)
    with pytest.raises(ValueError, match="each must be even, got 1"):
        MSSA(**dict(settings, strides=[4, 2, 1]))
