import jittor as jt
import numpy as np
import pytest

from jsra.ops.gelu_linear import GELULinear, gelu_linear
from jsra.ops.reference.gelu import gelu as reference_gelu
from tests.ops.tester import exact


def slope(x, step=1e-6):
    return (reference_gelu(x + step) - reference_gelu(x - step)) / (2 * step)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-8)])
@pytest.mark.parametrize("total", [7, 0])
def test_values_and_gradients(rng, total, dtype, tolerance):
    x, weight, bias, dout = (rng.standard_normal(s).astype(dtype) for s in ((total, 5), (3, 5), (3,), (total, 3)))
    variables = [exact(a) for a in (x, weight, bias)]
    out = gelu_linear(*variables)
    gradients = jt.grad((out * exact(dout)).sum(), variables)
    x = x.astype(np.float64)
    np.testing.assert_allclose(out.numpy(), reference_gelu(x) @ weight.T + bias, atol=tolerance)
    for got, expected in zip(gradients, ((dout @ weight) * slope(x), dout.T @ reference_gelu(x), dout.sum(0))):
        np.testing.assert_allclose(got.numpy(), expected, atol=tolerance)


def test_only_the_input_is_kept():
    """Four layers with an input and an output of 8 MiB each: before the backward, the pool of Jittor has the inputs."""
    xs = [jt.ones((2**18, 8)) for _ in range(4)]
    weight = jt.ones((8, 8))
    jt.sync([*xs, weight])
    jt.gc()
    before = jt.get_mem_info().total_cpu_used
    loss = sum(gelu_linear(x, weight).sum() for x in xs)
    loss.sync()
    jt.gc()
    assert jt.get_mem_info().total_cpu_used - before < 2**24
    expected = 2**18 * 4 * float(reference_gelu(np.ones(1))[0])
    np.testing.assert_allclose(jt.grad(loss, weight).numpy(), np.full((8, 8), expected), rtol=1e-5)


def test_layer(rng):
    layer = GELULinear(4, 2)
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    expected = reference_gelu(x) @ layer.weight.numpy().T + layer.bias.numpy()
    np.testing.assert_allclose(layer(jt.array(x)).numpy(), expected, atol=1e-6)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_bad_input():
    with pytest.raises(ValueError, match="weight: expected the last dimension to be 4"):
        gelu_linear(jt.zeros((2, 4)), jt.ones((3, 5)))
    with pytest.raises(ValueError, match="weight: expected dtype float32"):
        gelu_linear(jt.zeros((2, 4)), jt.ones((3, 4)).float64())
