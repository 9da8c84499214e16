import jittor as jt
import numpy as np
import pytest

from jsra.ops.attention import attention
from jsra.ops.reference.attention import attention as reference
from tests.ops.tester import Case, OperatorTester, outputs, to_vars


class TestAttention(OperatorTester):
    op = staticmethod(attention)
    reference = staticmethod(reference)
    vectors = "attention.npz"

    def cases(self, rng):
        def case(name, batch, queries, keys, heads, depth, bias=False, masks=0, **settings):
            shapes = [(batch, n, heads, depth) for n in (queries, keys, keys)]
            added = [(heads, queries, keys) if bias else None, (masks, queries, keys) if masks else None]
            inputs = [None if s is None else rng.standard_normal(s) for s in shapes + added]
            return Case(name, tuple(inputs), settings, grad=(0, 1, 2, 3) if bias else (0, 1, 2))

        return [
            case("pooled keys", 2, 35, 5, 2, 8),
            case("windows", 6, 9, 9, 2, 5, bias=True, masks=3),
            case("a bias, more batches than groups", 10, 3, 4, 1, 3, bias=True),
            case("a mask alone, another scale", 2, 3, 40, 2, 17, masks=1, scale=0.3),
            case("one key", 1, 2, 1, 1, 2),
            case("wide heads", 1, 2, 3, 1, 70),
            case("no batches", 0, 3, 4, 1, 2, bias=True),
            case("no queries", 1, 0, 4, 1, 2),
        ]


@pytest.mark.parametrize("queries, keys", [(3100, 20), (50, 600)])
def test_blocks_of_queries_and_keys(rng, queries, keys):
    """More than one stretch of queries, more than one block of keys: the CPU kernel's own cuts, and their sums."""
    q, k, v = (rng.standard_normal((1, n, 2, 4)) for n in (queries, keys, keys))
    case = Case("blocks", (q, k, v))
    tester = TestAttention()
    np.testing.assert_allclose(outputs(attention(*to_vars(case.inputs)))[0], reference(q, k, v), atol=1e-5)
    weights = [rng.standard_normal(q.shape)]
    case.grad = (0, 1, 2)
    blocks = tester._gradients(case, weights, double=True)
    # The gradient of all queries is the sum of those of the parts.
    half = queries // 2
    parts = [
        tester._gradients(Case("part", (q[:, s], k, v), grad=(1, 2)), [weights[0][:, s]], double=True)
        for s in (slice(0, half), slice(half, queries))
    ]
    for whole, first, second in zip(blocks[1:], *parts):
        np.testing.assert_allclose(whole, first + second, atol=1e-9)


def test_large_logits_do_not_overflow():
    """Logits of 1e4: the query takes the value of its nearest key, and the gradients are finite."""
    q = jt.array(np.float32([[[[100.0]], [[-100.0]]]]))
    k, v = jt.array(np.float32([[[[100.0]], [[-100.0]]]])), jt.array(np.float32([[[[3.0]], [[7.0]]]]))
    out = attention(q, k, v, scale=1.0)
    assert out.numpy().ravel().tolist() == [3.0, 7.0]
    assert all(np.isfinite(g.numpy()).all() for g in jt.grad(out.sum(), [q, k, v]))


def test_bad_input():
    x = jt.zeros((4, 9, 2, 8))
    with pytest.raises(ValueError, match=r"k: expected shape \[4, M, 2, 8\], M above 0, got \[4, 0, 2, 8\]"):
        attention(x, x[:, :0], x[:, :0])
    with pytest.raises(ValueError, match=r"bias: expected shape \[2, 9, 9\], got \[3, 9, 9\]"):
        attention(x, x, x, jt.zeros((3, 9, 9)))
    with pytest.raises(ValueError, match=r"mask: expected shape \[a divisor of 4, 9, 9\], got \[3, 9, 9\]"):
        attention(x, x, x, mask=jt.zeros((3, 9, 9)))
    with pytest.raises(ValueError, match="heads of at most 128 channels"):
        attention(*[jt.zeros((1, 2, 1, 129))] * 3)
