import sys

import jittor as jt
import numpy as np
import pytest

from jsra.ops import kernel
from jsra.ops.deform_conv2d import DeformConv2d, deform_conv2d
from jsra.ops.reference.deform_conv2d import deform_conv2d as reference
from tests.ops.tester import Case, OperatorTester, to_vars


def positional(op):
    """The operator with bias and mask as inputs that have gradients."""

    def call(input, offset, weight, bias, mask, **settings):
        return op(input, offset, weight, bias, mask=mask, **settings)

    return call


class TestDeformConv2d(OperatorTester):
    op = staticmethod(positional(deform_conv2d))
    reference = staticmethod(positional(reference))
    vectors = "deform_conv2d.npz"

    def cases(self, rng):
        def case(name, grad, groups=1, offset_groups=1, masked=True, kernel=(3, 2), **settings):
            full = {"stride": 1, "padding": 0, "dilation": 1, **settings}
            size = [7, 8]
            s, p, d = ([v, v] if isinstance(v, int) else list(v) for v in full.values())
            out = [(n + 2 * p[i] - d[i] * (kernel[i] - 1) - 1) // s[i] + 1 for i, n in enumerate(size)]
            taps = kernel[0] * kernel[1] * offset_groups
            inputs = (
                rng.standard_normal((2, 4, *size)),
                # Not near a whole number, where the samples have no derivative.
                rng.integers(-2, 2, (2, 2 * taps, *out)) + rng.uniform(0.01, 0.99, (2, 2 * taps, *out)),
                rng.standard_normal((6, 4 // groups, *kernel)),
                rng.standard_normal(6),
                rng.uniform(0, 1, (2, taps, *out)) if masked else None,
            )
            return Case(name, inputs, settings, grad)

        return [
            case("v2", (0, 1, 2, 3, 4)),
            case("v1", (0, 1, 2, 3), masked=False, padding=1),
            case("groups", (0, 1, 2, 3, 4), groups=2, offset_groups=4, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        ]


@pytest.mark.parametrize("name", ["v1", "groups"])
def test_blocks_give_what_the_whole_gives(rng, monkeypatch, name):
    """Outputs and gradients; no block of columns is larger than BLOCK, or than a row of one image."""
    module, tester = sys.modules["jsra.ops.deform_conv2d"], TestDeformConv2d()
    (case,) = [c for c in tester.cases(rng) if c.name == name]
    weights = tester._weights(case, rng)
    whole = [tester.op(*to_vars(case.inputs), **case.settings).numpy(), *tester._gradients(case, weights)]
    sizes, run = [], module.run

    def recorded(op, kernel, inputs, outputs, **scalars):
        sizes.append(np.prod(outputs[0][0] if kernel == "forward" else inputs[0].shape))
        return run(op, kernel, inputs, outputs, **scalars)

    monkeypatch.setattr(module, "run", recorded)
    monkeypatch.setattr(module, "BLOCK", 500)
    blocks = [tester.op(*to_vars(case.inputs), **case.settings).numpy(), *tester._gradients(case, weights)]
    assert len(sizes) > 8 and max(sizes) <= 500
    for got, expected in zip(blocks, whole):
        np.testing.assert_allclose(got, expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_zero_offset_is_a_convolution(rng):
    x, w = (
        jt.array(rng.standard_normal((2, 4, 9, 9)).astype("f")),
        jt.array(rng.standard_normal((5, 4, 3, 3)).astype("f")),
    )
    got = deform_conv2d(x, jt.zeros((2, 18, 5, 5)), w, stride=2, padding=1).numpy()
    assert np.abs(got - jt.nn.conv2d(x, w, stride=2, padding=1).numpy()).max() < 1e-4


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_just_below_the_end_of_the_map(rng, backend):
    """A tap a rounding below the first row or column outside is still outside: it reads, and adds to, no other image."""
    x, w = rng.standard_normal((2, 4, 4, 4)), rng.standard_normal((3, 4, 3, 3))
    offset = np.full((2, 18, 4, 4), -2.4e-7)  # 4 less that is a float32, and 5 less that is none
    with kernel.backend(backend):
        grads, outs = [], []
        for value in (offset, 0 * offset):
            x_, value_, w_ = to_vars((x, value, w))
            out = deform_conv2d(x_, value_, w_, padding=1)
            outs.append(out.numpy())
            grads.append(jt.grad((out * out).sum(), x_).numpy())
    np.testing.assert_allclose(outs[0], outs[1], atol=1e-4)
    np.testing.assert_allclose(grads[0], grads[1], atol=1e-3)


def test_module_trains(rng):
    layer = DeformConv2d(4, 6, 3, padding=1)
    out = layer(jt.array(rng.standard_normal((2, 4, 5, 5)).astype("f")), jt.zeros((2, 18, 5, 5)))
    assert out.shape == [2, 6, 5, 5] and len(layer.parameters()) == 2
    grads = jt.grad(out.sum(), layer.parameters())
    assert np.allclose(grads[1].numpy(), 50)


def test_bad_input():
    x, w = jt.zeros((1, 4, 9, 9)), jt.zeros((6, 4, 3, 3))
    with pytest.raises(ValueError, match=r"offset: expected shape \[1, 18, 7, 7\], .* got \[1, 18, 7, 6\]"):
        deform_conv2d(x, jt.zeros((1, 18, 7, 6)), w)
    with pytest.raises(ValueError, match=r"mask: expected shape \[1, 9, 7, 7\]"):
        deform_conv2d(x, jt.zeros((1, 18, 7, 7)), w, mask=jt.zeros((1, 18, 7, 7)))
    with pytest.raises(ValueError, match=r"stride: expected an int of at least 1 or a pair \(y, x\) of them, got 1.0"):
        deform_conv2d(x, jt.zeros((1, 18, 7, 7)), w, stride=1.0)
    with pytest.raises(ValueError, match="weight: shape"):
        deform_conv2d(x, jt.zeros((1, 18, 7, 7)), jt.zeros((6, 3, 3, 3)))


def test_a_bias_has_one_number_per_output_channel():
    features, offset, weight = jt.zeros((1, 3, 10, 10)), jt.zeros((1, 18, 8, 8)), jt.zeros((5, 3, 3, 3))
    for shape in ((1,), (4,), (8, 5), (1, 5, 1, 1)):
        with pytest.raises(ValueError, match=r"bias: expected shape \[5\], one for each output channel, got"):
            deform_conv2d(features, offset, weight, jt.ones(shape))
    with pytest.raises(ValueError, match="weight: expected the dtype of input, float32, got float64"):
        deform_conv2d(features, offset, weight.float64())
    out = deform_conv2d(features, offset, weight, jt.array([1.0, 2.0, 3.0, 4.0, 5.0])).numpy()
    assert (out == np.arange(1, 6).reshape(1, 5, 1, 1)).all()
