import jittor as jt
import numpy as np
import pytest

from jsra.ops.conv import conv2d
from jsra.ops.conv_transpose import ConvTranspose2d, conv_transpose2d
from tests.ops.tester import exact


def scattered(x, weight, stride, padding):
    """Each input cell adds its window of the output."""
    height, width = ((n - 1) * stride + k for n, k in zip(x.shape[2:], weight.shape[2:]))
    out = np.zeros((x.shape[0], weight.shape[1], height, width), x.dtype)
    kh, kw = weight.shape[2:]
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = np.einsum("bc,cokl->bokl", x[:, :, i, j], weight)
            out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += window
    return out[:, :, padding : height - padding, padding : width - padding]


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("stride, padding", [(2, 1), (1, 0)])
def test_values_and_gradients(rng, stride, padding, dtype, tolerance):
    """float64 takes Jittor's own form on the CPU: both give the definition's values, and gradients by its linearity."""
    x, weight, bias = (rng.standard_normal(s).astype(dtype) for s in ((2, 3, 4, 5), (3, 2, 4, 4), (2,)))
    variables = [exact(a) for a in (x, weight, bias)]
    out = conv_transpose2d(*variables, stride=stride, padding=padding)
    expected = scattered(x, weight, stride, padding)
    np.testing.assert_allclose(out.numpy(), expected + bias.reshape(1, 2, 1, 1), atol=tolerance)
    dout = rng.standard_normal(expected.shape).astype(dtype)
    dx, dweight, dbias = (g.numpy() for g in jt.grad((out * exact(dout)).sum(), variables))
    np.testing.assert_allclose(dbias, dout.sum((0, 2, 3)), atol=10 * tolerance)
    for place in ((0, 1, 2, 3), (1, 2, 0, 0)):
        one = np.zeros_like(x)
        one[place] = 1
        np.testing.assert_allclose(dx[place], (scattered(one, weight, stride, padding) * dout).sum(), atol=10 * tolerance)
    for place in ((0, 1, 2, 3), (2, 0, 0, 1)):
        one = np.zeros_like(weight)
        one[place] = 1
        np.testing.assert_allclose(dweight[place], (scattered(x, one, stride, padding) * dout).sum(), atol=10 * tolerance)


def test_the_module_has_the_names_of_torch():
    layer = ConvTranspose2d(3, 2, 4, 2, 1, bias=False)
    assert {name: list(v.shape) for name, v in layer.state_dict().items()} == {"weight": [3, 2, 4, 4]}
    assert layer(jt.zeros((1, 3, 5, 6))).shape == [1, 2, 10, 12]
    with pytest.raises(ValueError, match="input has 2 channels, the weight needs 3"):
        layer(jt.zeros((1, 2, 5, 6)))
    for function in (conv2d, conv_transpose2d):
        with pytest.raises(ValueError, match="weight"):
            function(jt.zeros((1, 3, 5, 6)), jt.zeros((2, 3, 4)))
