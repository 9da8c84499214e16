import jittor as jt
import numpy as np
import pytest

from jsra.ops import dense_gather
from jsra.ops.reference.dense_gather import dense_gather as reference
from tests.ops.tester import Case, OperatorTester


class TestDenseGather(OperatorTester):
    op = staticmethod(dense_gather)
    reference = staticmethod(reference)

    def cases(self, rng):
        maps = [rng.standard_normal((2, 12, 3, 5)), rng.standard_normal((2, 12, 2, 2))]  # 45 and 12 anchors
        index = np.stack([rng.permutation(57)[:10], rng.permutation(57)[:10]]).astype(np.int32)
        padded = index.copy()
        padded[0, 6:] = -1
        padded[1, :] = [0, 0, 44, 44, 45, 56, 57, 44, -1, -7]  # repeated, the ends of the levels, outside
        return [
            Case("two levels", (maps, index, 4)),
            Case("repeated and absent", (maps, padded, 4)),
            Case("logits", (maps[1:], padded % 48, 1)),
            Case("nothing chosen", (maps, index[:, :0], 4), grad=()),
        ]


def test_by_hand():
    """2 anchors a position, 2 numbers each, 2 positions: number d of anchor a at position p is channel 2 a + d."""
    first = jt.array(np.arange(8, dtype=np.float32).reshape(1, 4, 1, 2))
    second = jt.array(np.float32([10, 11, 12, 13]).reshape(1, 4, 1, 1))
    index = jt.array(np.int32([[0, 1, 2, 3, 4, 5, -1]]))
    expected = [[0, 2], [4, 6], [1, 3], [5, 7], [10, 11], [12, 13], [0, 0]]
    assert dense_gather([first, second], index, 2).numpy()[0].tolist() == expected


def test_bad_arguments():
    index = jt.array(np.zeros((2, 3), np.int32))
    with pytest.raises(ValueError, match="maps: expected at least one level"):
        dense_gather([], index)
    with pytest.raises(ValueError, match=r"maps\[0\]: expected 2 images and a multiple of 4 channels"):
        dense_gather([jt.randn(2, 6, 3, 3)], index, 4)
    with pytest.raises(ValueError, match="index: expected a row for each of the 3 images"):
        dense_gather([jt.randn(3, 4, 3, 3)], index, 4)
    with pytest.raises(ValueError, match="index: expected dtype int32"):
        dense_gather([jt.randn(2, 4, 3, 3)], jt.randn(2, 3), 4)
