import jittor as jt
import numpy as np
import pytest

from jsra.ops.conv import conv2d
from jsra.ops.linear import Linear, linear
from tests.ops.tester import exact


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("total", [7, 0])
def test_values_and_gradients(rng, total, dtype, tolerance):
    x, weight, bias = (rng.standard_normal(s).astype(dtype) for s in ((total, 5), (3, 5), (3,)))
    variables = [exact(a) for a in (x, weight, bias)]
    out = linear(*variables)
    dout = rng.standard_normal((total, 3)).astype(dtype)
    gradients = jt.grad((out * exact(dout)).sum(), variables)
    np.testing.assert_allclose(out.numpy(), x @ weight.T + bias, atol=tolerance)
    for got, expected in zip(gradients, (dout @ weight, dout.T @ x, dout.sum(0))):
        np.testing.assert_allclose(got.numpy(), expected, atol=tolerance)


@pytest.mark.parametrize("operator", [linear, conv2d])
def test_outputs_that_no_gradient_reads_are_freed(operator):
    """Four outputs of 8 MiB, of each only the sum is used: the pool of Jittor grows by less than two."""
    x, weight = jt.ones((2**18, 8)).stop_grad(), jt.ones((8, 8))
    if operator is conv2d:
        x, weight = x.reshape(1, 8, 512, 512), weight.reshape(8, 8, 1, 1)
    jt.sync([x, weight])
    jt.gc()
    before = jt.get_mem_info().total_cpu_used
    loss = sum(operator(x, weight * (i + 1.0)).sum() for i in range(4))
    loss.sync()
    jt.gc()
    assert jt.get_mem_info().total_cpu_used - before < 2**24
    assert loss.item() == 2**21 * 8 * (1 + 2 + 3 + 4)
    assert (jt.grad(loss, weight).numpy() == 2**18 * (1 + 2 + 3 + 4)).all()


def test_layer_of_any_leading_axes(rng):
    layer = Linear(5, 3)
    x = rng.standard_normal((2, 0, 4, 5)), rng.standard_normal((2, 3, 4, 5))
    for array in x:
        out = layer(jt.array(array.astype(np.float32)))
        np.testing.assert_allclose(out.numpy(), array @ layer.weight.numpy().T + layer.bias.numpy(), atol=1e-5)


def test_wrong_widths_are_refused():
    with pytest.raises(ValueError, match="weight"):
        linear(jt.zeros((2, 3)), jt.zeros((4, 5)))
