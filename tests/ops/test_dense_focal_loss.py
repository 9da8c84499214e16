import jittor as jt
import numpy as np
import pytest

from jsra.ops import dense_focal_loss
from jsra.ops.reference.dense_focal_loss import dense_focal_loss as reference
from tests.ops.tester import Case, OperatorTester


def levels(op):
    """The operator on one map, as the peer's files hold it, or on a list."""

    def call(maps, labels, classes, **settings):
        return op(maps if isinstance(maps, list) else [maps], labels, int(classes), **settings)

    return call


class TestDenseFocalLoss(OperatorTester):
    op = staticmethod(levels(dense_focal_loss))
    reference = staticmethod(reference)
    vectors = "dense_focal_loss.npz"

    def cases(self, rng):
        maps = [3 * rng.standard_normal((2, 12, 3, 5)), 3 * rng.standard_normal((2, 12, 2, 2))]  # 3 anchors of 4 classes
        labels = rng.integers(-1, 5, (2, 57)).astype(np.int32)
        wide = [rng.standard_normal((1, 2, 1, 1100))]  # more than a block of positions
        one = rng.integers(0, 3, (1, 1100)).astype(np.int32)
        return [
            Case("two levels", (maps, labels, 4)),
            Case("other numbers", (maps, labels, 4), dict(alpha=0.6, gamma=1.3)),
            Case("cross entropy", (maps[1:], labels[:, 45:], 4), dict(alpha=0.5, gamma=0.0)),
            Case("nothing counts", (maps, np.full_like(labels, -1), 4)),
            Case("one anchor", (wide, one, 2)),
        ]


def test_by_hand():
    """sigmoid(ln 3) = 3/4 twice: of its class, and of the other one."""
    logits = jt.array(np.full((1, 2, 1, 1), np.log(3), np.float32))
    loss = dense_focal_loss([logits], jt.array(np.int32([[2]])), 2).numpy()
    own, other = -0.25 * (1 / 4) ** 2 * np.log(3 / 4), -0.75 * (3 / 4) ** 2 * np.log(1 / 4)
    np.testing.assert_allclose(loss, [[own + other]], rtol=1e-6)


def test_huge_logits():
    """No overflow: of +-1000 the right answer costs nothing, the wrong one 1000 times its weight."""
    logits = jt.array(np.float32([1000, -1000, -1000, 1000]).reshape(1, 4, 1, 1))  # two anchors
    loss = dense_focal_loss([logits], jt.array(np.int32([[1, 1]])), 2)
    np.testing.assert_allclose(loss.numpy(), [[0, 1000]], rtol=1e-6)
    assert np.isfinite(jt.grad(loss.sum(), logits).numpy()).all()


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"labels: expected shape \[2, 27\]"):
        dense_focal_loss([jt.randn(2, 12, 3, 3)], jt.zeros((2, 9), dtype="int32"), 4)
    with pytest.raises(ValueError, match=r"maps\[0\]: expected 2 images and a multiple of 5 channels"):
        dense_focal_loss([jt.randn(2, 12, 3, 3)], jt.zeros((2, 9), dtype="int32"), 5)
