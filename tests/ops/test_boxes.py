import jittor as jt
import numpy as np
import pytest

from jsra.ops import box_area, box_iou, clip_boxes_to_image, remove_small_boxes
from jsra.ops.reference import boxes as reference
from tests.ops.tester import compare, outputs, read_vectors, to_vars


def random_boxes(rng, count):
    corners = rng.uniform(-5, 40, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 30, (count, 2))], axis=1).astype(np.float32)


def test_match_the_reference(rng):
    boxes, others = random_boxes(rng, 9), random_boxes(rng, 7)
    for op, arguments in (
        (box_area, ()),
        (box_iou, (others,)),
        (clip_boxes_to_image, ((30, 50),)),
        (remove_small_boxes, (10.0,)),
    ):
        variables = [jt.array(a) if isinstance(a, np.ndarray) else a for a in arguments]
        got = op(jt.array(boxes), *variables).numpy()
        expected = getattr(reference, op.__name__)(boxes.astype(np.float64), *arguments)
        compare([got], [expected], 1e-6, op.__name__)


def test_peer_vectors():
    for case, _, out, _ in read_vectors("box_iou.npz"):
        compare(outputs(box_iou(*to_vars(case.inputs), **case.settings)), out, 1e-6, case.name)


def test_bad_boxes_overlap_nothing():
    """A good box; then nan, infinite, empty, inverted along one axis and along both."""
    bad = [[0, np.nan, 2, 2], [0, 0, np.inf, 2], [1, 1, 1, 2], [2, 0, 0, 2], [2, 2, 0, 0]]
    boxes = jt.array(np.array([[0, 0, 2, 2], *bad], np.float32))
    expected = np.zeros((6, 6))
    expected[0, 0] = 1
    assert np.array_equal(box_iou(boxes, boxes).numpy(), expected)
    assert remove_small_boxes(boxes, 2.0).numpy().tolist() == [0]


def test_gradient_of_iou_by_hand():
    """[0, 2] x [0, 1] and [1, 3] x [0, 1]: I = 2 - x0, U = 2 + (3 - x0) - I = 3 with x0 = 1, so IoU = 1/3 and
    dIoU/dx0 = (dI U - I dU) / U^2 = (-1 * 3 - 1 * 0) / 9 = -1/3 (dU = -1 + 1 = 0)."""
    first, second = jt.array(np.array([[0, 0, 2, 1]], np.float32)), jt.array(np.array([[1, 0, 3, 1]], np.float32))
    overlap = box_iou(first, second)
    np.testing.assert_allclose(overlap.numpy(), [[1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(jt.grad(overlap.sum(), second).numpy()[0, 0], -1 / 3, rtol=1e-5)


def test_no_boxes():
    none, one = jt.zeros((0, 4)), jt.array(np.array([[0, 0, 1, 1]], np.float32))
    assert list(box_iou(none, one).shape) == [0, 1] and list(box_iou(one, none).shape) == [1, 0]
    assert list(box_area(none).shape) == [0]
    assert list(clip_boxes_to_image(none, (5, 5)).shape) == [0, 4]
    assert list(remove_small_boxes(none, 1.0).shape) == [0]


def test_sizes_that_make_no_sense():
    one = jt.array(np.array([[0, 0, 9, 9]], np.float32))
    for size in (5, (5, 5, 3), (-5, 5), (np.nan, 5), "55"):
        with pytest.raises(ValueError, match=r"size: expected \(height, width\), two numbers of at least 0"):
            clip_boxes_to_image(one, size)
    assert clip_boxes_to_image(one, np.array([4, 6])).numpy().tolist() == [[0, 0, 6, 4]]
    for size in (np.nan, -1, None):
        with pytest.raises(ValueError, match="min_size: expected a number of at least 0"):
            remove_small_boxes(one, size)
