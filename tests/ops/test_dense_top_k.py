import jittor as jt
import numpy as np
import pytest

from jsra.ops import dense_gather, dense_top_k, kernel
from jsra.ops.reference.dense_top_k import dense_top_k as reference
from tests.ops.tester import Case, OperatorTester


class TestDenseTopK(OperatorTester):
    op = staticmethod(dense_top_k)
    reference = staticmethod(reference)
    tolerance = 0

    def cases(self, rng):
        maps = [rng.standard_normal((2, 3, h, w)) for h, w in ((13, 17), (6, 8), (3, 4))]
        ties = [np.round(m) for m in maps]
        ends = [np.where(m > 1, 3e38, np.where(m < -1, -3e38, np.where(m > 0, 0.0, -0.0))) for m in maps]
        return [
            Case("three levels", (maps, 40), grad=()),
            Case("equal scores", (ties, 50), grad=()),
            Case("the largest numbers, and two zeros", (ends, 60), grad=()),
            Case("all of them", (maps[1:], 1000), grad=()),
            Case("the best one", (maps, 1), grad=()),
            Case("other numbers of anchors", ([maps[0], maps[1][:, :1]], 30), grad=()),
        ]


def test_many():
    """More than one level of radix digits and many replacements on the CPU: rising scores are the worst order."""
    scores = (np.arange(20000) - 9999.5).astype(np.float32).reshape(1, 1, 100, 200)
    index, value = dense_top_k([jt.array(scores)], 2000)
    assert np.array_equal(index.numpy()[0], np.arange(20000)[::-1][:2000])
    assert np.array_equal(value.numpy()[0], scores.reshape(-1)[::-1][:2000])


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_not_a_number_comes_last(backend):
    maps = [jt.array(np.float32([[[[np.nan, 1, -np.inf, 5, np.nan]]]]))]
    with kernel.backend(backend):
        index, value = dense_top_k(maps, 5)
    assert index.numpy().tolist() == [[3, 1, 2, 0, 4]]
    assert np.array_equal(value.numpy(), np.float32([[5, 1, -np.inf, np.nan, np.nan]]), equal_nan=True)
    assert np.array_equal(dense_gather(maps, index).numpy()[:, :, 0], value.numpy(), equal_nan=True)


def test_bad_arguments():
    with pytest.raises(ValueError, match="k: expected an integer of at least 1"):
        dense_top_k([jt.randn(1, 3, 4, 4)], 0)
    with pytest.raises(ValueError, match=r"maps\[1\]: expected 1 images"):
        dense_top_k([jt.randn(1, 3, 4, 4), jt.randn(2, 3, 2, 2)], 5)
