import jittor as jt
import pytest

from jsra.ops.bmm import bmm
from jsra.ops.reference.bmm import bmm as reference
from tests.ops.tester import Case, OperatorTester


class TestBmm(OperatorTester):
    op = staticmethod(bmm)
    reference = staticmethod(reference)

    def cases(self, rng):
        def case(name, batch, n, m, k, trans_a=False, trans_b=False, batches=(None, None)):
            shapes = [(m, n) if trans_a else (n, m), (k, m) if trans_b else (m, k)]
            inputs = [rng.standard_normal((batch if p is None else p, *s)) for p, s in zip(batches, shapes)]
            return Case(name, tuple(inputs), dict(trans_a=trans_a, trans_b=trans_b), grad=(0, 1))

        return [
            case("plain", 3, 5, 7, 34),
            case("a turned", 2, 35, 4, 6, trans_a=True),
            case("b turned", 2, 3, 18, 33, trans_b=True),
            case("both turned", 2, 4, 3, 5, trans_a=True, trans_b=True),
            case("more rows than a block", 1, 200, 2, 3),
            case("one a for all", 3, 4, 5, 6, batches=(1, None)),
            case("one b for all", 3, 4, 5, 6, trans_b=True, batches=(None, 1)),
            case("no products", 0, 4, 5, 6),
            case("no depth", 2, 3, 0, 4),
        ]


def test_bad_input():
    with pytest.raises(ValueError, match=r"a \[2, 3, 4\] and b \[2, 5, 6\] cannot be multiplied"):
        bmm(jt.zeros((2, 3, 4)), jt.zeros((2, 5, 6)))
    with pytest.raises(ValueError, match="cannot be multiplied"):
        bmm(jt.zeros((2, 3, 4)), jt.zeros((3, 4, 6)))
