import jittor as jt
import numpy as np
import pytest

from jsra.ops import dcn_v3
from jsra.ops.reference.dcn_v3 import dcn_v3 as reference
from tests.ops.tester import Case, OperatorTester


class TestDCNv3(OperatorTester):
    op = staticmethod(dcn_v3)
    reference = staticmethod(reference)

    def cases(self, rng):
        def arrays(rows, columns, groups=2):
            shapes = (2, 5, 6, 4), (2, rows, columns, groups * 18), (2, rows, columns, groups * 9)
            return tuple(rng.standard_normal(shape) for shape in shapes)

        return [
            Case("plain", arrays(5, 6), grad=(0, 1, 2)),
            Case("stride 2, half the offsets", arrays(3, 3), dict(stride=2, offset_scale=0.5), grad=(0, 1, 2)),
            Case("dilated, no padding", arrays(1, 2, 4), dict(padding=0, dilation=2), grad=(0, 2)),
            Case("no image", tuple(a[:0] for a in arrays(5, 6)), grad=()),
        ]


def test_without_offsets_it_is_a_sum_of_the_window():
    """The middle of a 3 x 3 map of 1 to 9 with a mask of ones sums to 45, its corner to 1 + 2 + 4 + 5."""
    x = jt.array(np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1))
    out = dcn_v3(x, jt.zeros((1, 3, 3, 18)), jt.ones((1, 3, 3, 9))).numpy()[0, :, :, 0]
    np.testing.assert_allclose([out[1, 1], out[0, 0]], [45, 12], rtol=1e-6)


def test_bad_arguments():
    x = jt.zeros((1, 5, 6, 4))
    with pytest.raises(ValueError, match=r"mask: expected shape .* G a divisor of 4, got \[1, 5, 6, 27\]"):
        dcn_v3(x, jt.zeros((1, 5, 6, 54)), jt.zeros((1, 5, 6, 27)))
    with pytest.raises(ValueError, match=r"offset: expected shape \[1, 5, 6, 18\], got \[1, 5, 6, 9\]"):
        dcn_v3(x, jt.zeros((1, 5, 6, 9)), jt.zeros((1, 5, 6, 9)))
