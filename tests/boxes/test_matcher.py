"""The settings of the assigner; the rule itself is tested as an operator (tests/ops/test_match_boxes.py)."""

import jittor as jt
import numpy as np

from jsra.boxes.matcher import MaxIoUAssigner
from tests.boxes.batch import truth


def assign(assigner, boxes, *arguments):
    matched, iou = assigner.assign(jt.array(np.float32(boxes)), *arguments)
    return matched.numpy().tolist(), iou.numpy()


def test_thresholds():
    """IoU with the 10 x 10 object: 1, 0.5 (half of it), 0.35, 0. The second image has no object."""
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 3.5, 10], [50, 50, 60, 60]]
    objects = truth([[0, 0, 10, 10]], [])
    matched, iou = assign(MaxIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=0.4, min_pos_iou=0.3), boxes, objects)
    assert matched == [[1, -1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(iou, [[1, 0.5, 0.35, 0], [0, 0, 0, 0]], rtol=1e-6)
    banded = MaxIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=(0.1, 0.4), min_pos_iou=0.3)
    assert assign(banded, boxes, objects)[0][0] == [1, -1, 0, -1]


def test_low_quality_matches():
    """The object's best boxes, two with IoU 0.5, become positive although below pos_iou_thr; at 0.2 nothing does."""
    objects = truth([[0, 0, 10, 10], [100, 0, 110, 10]])
    boxes = [[0, 0, 10, 5], [0, 5, 10, 10], [100, 0, 110, 2]]
    assert assign(MaxIoUAssigner(0.7, 0.3, min_pos_iou=0.3), boxes, objects)[0] == [[1, 1, 0]]
    first = MaxIoUAssigner(0.7, 0.3, min_pos_iou=0.3, gt_max_assign_all=False)
    assert assign(first, boxes, objects)[0] == [[1, -1, 0]]
    assert assign(MaxIoUAssigner(0.7, 0.3, match_low_quality=False), boxes, objects)[0] == [[-1, -1, 0]]


def test_crowd_regions_and_rows_that_are_no_boxes():
    boxes = [[[0, 0, 10, 10], [0, 0, 40, 10], [60, 60, 70, 70]]]
    objects = truth([[60, 60, 70, 70]], ignored=[[[0, 0, 12, 12]]])
    assigner = MaxIoUAssigner(0.5, 0.5, match_low_quality=False, ignore_iof_thr=0.5)
    assert assign(assigner, boxes, objects)[0] == [[-1, 0, 1]]
    assert assign(MaxIoUAssigner(0.5, 0.5, match_low_quality=False), boxes, objects)[0] == [[0, 0, 1]]
    assert assign(assigner, boxes, objects, jt.array(np.int32([[1, 0, 1]])))[0] == [[-1, -1, 1]]
