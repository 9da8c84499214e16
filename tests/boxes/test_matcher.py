import numpy as np

from jsra.boxes.iou import Overlaps
from jsra.boxes.matcher import MaxIoUAssigner

NOTHING = np.zeros((0, 4), np.float32)


def test_overlaps_by_hand(rng):
    """10 x 10 boxes shifted by 5: intersection 50, union 150. IoF divides by the fixed box."""
    boxes = np.float32([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]])
    np.testing.assert_allclose(Overlaps(boxes).row(boxes[0]), [1, 1 / 3, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(Overlaps(boxes, "iof").row([0, 0, 100, 5]), [0.5, 0.5, 0, 0], rtol=1e-6)


def test_thresholds():
    """IoU with the 10 x 10 object: 1, 0.5 (half of it), 0.35, 0."""
    gt = np.float32([[0, 0, 10, 10]])
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 3.5, 10], [50, 50, 60, 60]])
    assigner = MaxIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=0.4, min_pos_iou=0.3)
    np.testing.assert_array_equal(assigner.assign(boxes, gt), [1, -1, 0, 0])
    banded = MaxIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=(0.1, 0.4), min_pos_iou=0.3)
    np.testing.assert_array_equal(banded.assign(boxes, gt), [1, -1, 0, -1])


def test_low_quality_matches():
    """The object's best boxes, two with IoU 0.5, become positive although below pos_iou_thr; at 0.2 nothing does."""
    gt = np.float32([[0, 0, 10, 10], [100, 0, 110, 10]])
    boxes = np.float32([[0, 0, 10, 5], [0, 5, 10, 10], [100, 0, 110, 2]])
    assigner = MaxIoUAssigner(0.7, 0.3, min_pos_iou=0.3)
    np.testing.assert_array_equal(assigner.assign(boxes, gt), [1, 1, 0])
    first = MaxIoUAssigner(0.7, 0.3, min_pos_iou=0.3, gt_max_assign_all=False)
    np.testing.assert_array_equal(first.assign(boxes, gt), [1, -1, 0])
    none = MaxIoUAssigner(0.7, 0.3, match_low_quality=False)
    np.testing.assert_array_equal(none.assign(boxes, gt), [-1, -1, 0])


def test_one_box_claimed_by_two_objects_goes_to_the_later():
    gt = np.float32([[0, 0, 10, 10], [0, 0, 10, 9]])
    assert MaxIoUAssigner(0.7, 0.3, 0.3).assign(np.float32([[0, 0, 10, 10]]), gt)[0] == 2
    assert MaxIoUAssigner(0.7, 0.3, match_low_quality=False).assign(np.float32([[0, 0, 10, 10]]), gt)[0] == 1


def test_crowd_regions():
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 40, 10], [60, 60, 70, 70]])
    crowd = np.float32([[0, 0, 12, 12]])
    gt = np.float32([[60, 60, 70, 70]])
    assigner = MaxIoUAssigner(0.5, 0.5, match_low_quality=False, ignore_iof_thr=0.5)
    np.testing.assert_array_equal(assigner.assign(boxes, gt, crowd), [-1, 0, 1])
    np.testing.assert_array_equal(assigner.assign(boxes, NOTHING, crowd), [-1, 0, 0])
    without = MaxIoUAssigner(0.5, 0.5, match_low_quality=False)
    np.testing.assert_array_equal(without.assign(boxes, gt, crowd), [0, 0, 1])


def test_nothing_to_match():
    assigner = MaxIoUAssigner(0.5, 0.5)
    np.testing.assert_array_equal(assigner.assign(np.float32([[0, 0, 1, 1]]), NOTHING), [0])
    assert assigner.assign(NOTHING, np.float32([[0, 0, 1, 1]])).shape == (0,)
    assert assigner.assign([], []).shape == (0,)


def test_against_the_matrix_form(rng):
    """The same rule written with the whole overlap matrix."""

    def random_boxes(n):
        first = rng.uniform(0, 60, (n, 2))
        return np.concatenate([first, first + rng.uniform(5, 40, (n, 2))], axis=1).astype(np.float32)

    boxes, gt = random_boxes(300), random_boxes(7)
    iou = np.stack([Overlaps(boxes).row(g).copy() for g in gt])
    expected = np.full(300, -1)
    expected[iou.max(0) < 0.3] = 0
    expected[iou.max(0) >= 0.5] = iou.argmax(0)[iou.max(0) >= 0.5] + 1
    for g in range(7):
        if iou[g].max() >= 0.2:
            expected[iou[g] == iou[g].max()] = g + 1
    np.testing.assert_array_equal(MaxIoUAssigner(0.5, 0.3, 0.2).assign(boxes, gt), expected)
