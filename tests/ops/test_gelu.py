import jittor as jt
import numpy as np
import pytest

from jsra.ops.gelu import gelu
from jsra.ops.reference.gelu import gelu as reference
from tests.ops.tester import Case, OperatorTester


class TestGelu(OperatorTester):
    op = staticmethod(gelu)
    reference = staticmethod(reference)
    tolerance = 1e-6
    vectors = "gelu.npz"

    def cases(self, rng):
        return [
            Case("a map", (2 * rng.standard_normal((2, 3, 5)),)),
            Case("large", (rng.uniform(-12, 12, 40),)),
            Case("empty", (np.zeros((0, 3)),)),
        ]


def test_tails_and_zero():
    """0 at 0; far out, 0 to the left and x to the right."""
    out = gelu(jt.array([-100.0, -20.0, 0.0, 20.0, 100.0])).numpy()
    np.testing.assert_array_equal(out, [0, 0, 0, 20, 100])


def test_every_float_near_zero(rng):
    """The fitted form of float32 is within its rounding of the exact one."""
    x = np.linspace(-6, 6, 20001).astype(np.float32)
    assert np.abs(gelu(jt.array(x)).numpy() - reference(x.astype(np.float64))).max() < 5e-7


def test_bad_input():
    with pytest.raises(ValueError, match="x: expected dtype"):
        gelu(jt.array([1]))
