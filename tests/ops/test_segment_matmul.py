import jittor as jt
import numpy as np
import pytest

from jsra.ops.reference.segment_matmul import segment_matmul as reference
from jsra.ops.segment_matmul import segment_matmul
from tests.ops.tester import Case, OperatorTester


class TestSegmentMatmul(OperatorTester):
    op = staticmethod(segment_matmul)
    reference = staticmethod(reference)

    def cases(self, rng):
        def case(name, sizes, n=3, width=5):
            offsets = np.cumsum([0] + sizes).astype(np.int32)
            inputs = (rng.standard_normal((sum(sizes), width)), rng.standard_normal((len(sizes), n, width)), offsets)
            return Case(name, inputs, grad=(0, 1))

        return [case("ragged", [4, 0, 7, 1, 0]), case("no rows", [0, 0]), case("no segments", [])]


def test_bad_input():
    with pytest.raises(ValueError, match="offsets: expected 3 numbers"):
        segment_matmul(jt.zeros((4, 5)), jt.zeros((2, 3, 5)), jt.array([0, 4]))
