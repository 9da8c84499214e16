import jittor as jt
import numpy as np
import pytest

from jsra.ops import decode_boxes, encode_boxes
from jsra.ops.reference.decode_boxes import decode_boxes as reference
from tests.ops.test_encode_boxes import STDS, random_boxes
from tests.ops.tester import Case, OperatorTester

SIZES = np.array([[50.0, 40.0], [60.0, 70.0]])


def draw(rng, *classes):
    """Boxes [2, 9, 4] and deltas of which no corner is decoded so near to an edge that a difference steps over it."""
    while True:
        boxes, deltas = random_boxes(rng, 2, 9), rng.standard_normal((2, 9, *classes, 4))
        corners = reference(boxes, deltas, stds=STDS, max_log_ratio=1.5)
        ends = np.concatenate([SIZES, SIZES], axis=1).reshape(2, *[1] * (1 + len(classes)), 4)
        if min(np.abs(corners).min(), np.abs(corners - ends).min()) > 1e-3:
            return boxes, deltas


class TestDecodeBoxes(OperatorTester):
    op = staticmethod(decode_boxes)
    reference = staticmethod(reference)
    tolerance = 2e-6

    def cases(self, rng):
        boxes, deltas = draw(rng)
        far = np.where(np.abs(deltas) < 1, deltas, 30 * deltas)  # beyond the largest ratio of sides
        settings = dict(means=(0.1, 0.0, -0.2, 0.3), stds=STDS)
        return [
            Case("not clipped", (boxes, far), settings, grad=(1,)),
            Case("clipped", (boxes, deltas, (0, 0, 0, 0), STDS, 1.5, SIZES), grad=(1,)),
            Case("a box for each class", (*draw(rng, 3), (0, 0, 0, 0), STDS, 1.5, SIZES), grad=(1,)),
            Case("one list", (boxes[0], deltas[0]), settings, grad=(1,)),
            Case("padding", (0 * boxes, 0 * deltas), grad=(1,)),
            Case("no boxes", (boxes[:, :0], deltas[:, :0]), grad=()),
        ]


def test_inverts_encode_boxes(rng):
    boxes, targets = (jt.array(random_boxes(rng, 50).astype(np.float32)) for _ in range(2))
    got = decode_boxes(boxes, encode_boxes(boxes, targets, stds=STDS), stds=STDS)
    np.testing.assert_allclose(got.numpy(), targets.numpy(), rtol=1e-5, atol=1e-4)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"references: expected \[2, 3, 4\] or \[2, 4\]"):
        decode_boxes(jt.randn(3, 4), jt.randn(2, 3, 4))
    with pytest.raises(ValueError, match=r"sizes: expected \[2, 2\]"):
        decode_boxes(jt.randn(2, 3, 4), jt.randn(2, 3, 4), sizes=jt.randn(3, 2))
