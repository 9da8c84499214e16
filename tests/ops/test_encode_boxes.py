import jittor as jt
import numpy as np
import pytest

from jsra.ops import encode_boxes
from jsra.ops.reference.encode_boxes import encode_boxes as reference
from tests.ops.tester import Case, OperatorTester

STDS = (0.1, 0.1, 0.2, 0.2)


def random_boxes(rng, *shape):
    first = rng.uniform(0, 60, (*shape, 2))
    return np.concatenate([first, first + rng.uniform(5, 40, (*shape, 2))], axis=-1)


class TestEncodeBoxes(OperatorTester):
    op = staticmethod(encode_boxes)
    reference = staticmethod(reference)
    tolerance = 2e-6

    def cases(self, rng):
        boxes, targets = random_boxes(rng, 2, 9), random_boxes(rng, 2, 9)
        thin = targets.copy()
        thin[0, :3, 2] = thin[0, :3, 0]
        return [
            Case("two images", (boxes, targets), dict(means=(0.1, 0.0, -0.2, 0.3), stds=STDS), grad=()),
            Case("one list", (boxes[0], targets[0]), grad=()),
            Case(
                "padding and no width", (np.concatenate([boxes, 0 * boxes]), np.concatenate([thin, 0 * thin])), grad=()
            ),
            Case("no boxes", (boxes[:, :0], targets[:, :0]), grad=()),
        ]


def test_by_hand():
    """10 x 10 at (5, 5) to 20 x 10 at (12, 5): dx = 0.7, dw = log 2."""
    got = encode_boxes(jt.array(np.float32([[0, 0, 10, 10]])), jt.array(np.float32([[2, 0, 22, 10]])))
    np.testing.assert_allclose(got.numpy(), [[0.7, 0, np.log(2), 0]], rtol=1e-6, atol=1e-7)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"targets: expected the shape of references, \[3, 4\]"):
        encode_boxes(jt.randn(3, 4), jt.randn(2, 4))
    with pytest.raises(ValueError, match="4 positive stds"):
        encode_boxes(jt.randn(3, 4), jt.randn(3, 4), stds=(1, 1, 0, 1))
