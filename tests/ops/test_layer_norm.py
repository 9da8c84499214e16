import jittor as jt
import numpy as np
import pytest

from jsra.ops.layer_norm import LayerNorm, layer_norm
from jsra.ops.reference.layer_norm import layer_norm as reference
from tests.ops.tester import Case, OperatorTester


class TestLayerNorm(OperatorTester):
    op = staticmethod(layer_norm)
    reference = staticmethod(reference)
    vectors = "layer_norm.npz"

    def cases(self, rng):
        def case(name, shape, mean=0.0, **settings):
            x = rng.standard_normal(shape) + mean
            weight, bias = rng.uniform(0.5, 1.5, shape[-1]), rng.standard_normal(shape[-1])
            return Case(name, (x, weight, bias), settings, grad=(0, 1, 2))

        return [
            case("a map", (2, 3, 5, 33)),
            case("more rows than a stretch", (70, 7)),
            case("far from zero", (3, 64), mean=50.0),
            case("another eps", (4, 6), eps=0.1),
            case("no rows", (0, 6)),
        ]


def test_a_constant_row_gives_the_bias():
    out = layer_norm(jt.full((2, 5), 3.0), jt.ones(5), jt.array(np.arange(5, dtype=np.float32)))
    np.testing.assert_array_equal(out.numpy(), [[0, 1, 2, 3, 4]] * 2)


def test_module_starts_without_scale_and_shift(rng):
    x = rng.standard_normal((4, 8)).astype(np.float32)
    np.testing.assert_allclose(LayerNorm(8)(jt.array(x)).numpy(), reference(x, 1, 0), atol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="weight: expected the last dimension to be 4"):
        layer_norm(jt.zeros((2, 4)), jt.ones(5), jt.ones(4))
