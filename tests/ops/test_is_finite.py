import numpy as np
import pytest

from jsra.ops import kernel
from jsra.ops.is_finite import is_finite
from jsra.ops.reference.is_finite import is_finite as reference
from tests.ops.tester import Case, OperatorTester, exact


def numbers(rng, dtype):
    x = rng.standard_normal((5, 7)).astype(dtype)
    x.flat[[0, 9, 20]] = np.nan, np.inf, -np.inf
    x.flat[[3, 4, 5]] = np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal
    return x


class TestIsFinite(OperatorTester):
    op = staticmethod(is_finite)
    reference = staticmethod(reference)

    def cases(self, rng):
        yield Case("not a number, infinite, the limits", (numbers(rng, np.float32),), grad=())


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matches_the_reference(rng, dtype, backend):
    x = numbers(rng, dtype)
    with kernel.backend(backend):
        got = is_finite(exact(x)).numpy()
    assert got.dtype == bool and np.array_equal(got, reference(x))
    assert (~got).sum() == 3


def test_nothing():
    assert list(is_finite(exact(np.zeros((0, 4), np.float32))).shape) == [0, 4]
