import jittor as jt
import numpy as np
import pytest

from jsra.ops.linear import linear
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


def test_wrong_widths_are_refused():
    with pytest.raises(ValueError, match="weight"):
        linear(jt.zeros((2, 3)), jt.zeros((4, 5)))
