import numpy as np

from jsra.boxes.anchors import AnchorGenerator
from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.detections import DetectionSelector
from jsra.boxes.proposals import ProposalSelector, top_indices


def test_top_indices(rng):
    np.testing.assert_array_equal(top_indices(np.float32([1, 3, 2, 3]), 3), [1, 3, 2])
    np.testing.assert_array_equal(top_indices(np.float32([2, 2, 2, 2]), 2), [0, 1])
    np.testing.assert_array_equal(top_indices(np.float32([1, 2]), 5), [1, 0])
    assert len(top_indices(np.zeros(0, np.float32), 3)) == 0
    scores = rng.standard_normal(5000).astype(np.float32)
    np.testing.assert_array_equal(top_indices(scores, 100), np.argsort(-scores, kind="stable")[:100])


def select(logits, image_size=(100, 100), **settings):
    """Anchors of side 8 on a stride of 8, no deltas."""
    generator = AnchorGenerator(strides=[8], scales=[1], ratios=[1.0])
    deltas = np.zeros((4, *logits.shape[1:]), np.float32)
    return ProposalSelector(**settings).select(
        [logits], [deltas], generator.grids([logits.shape[1:]]), DeltaXYWHBBoxCoder(), image_size
    )


def test_best_first_and_clipped():
    logits = np.full((1, 3, 3), -9.0, np.float32)
    logits[0, 1, 2], logits[0, 0, 0] = 2, 1
    boxes, scores = select(logits, nms_pre=2)
    np.testing.assert_allclose(boxes, [[12, 4, 20, 12], [0, 0, 4, 4]])
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))], rtol=1e-6)


def test_empty_after_clipping_and_limits():
    logits = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    boxes, _ = select(logits, image_size=(12, 12))
    assert len(boxes) == 4  # the third row and column lie outside and have no area left
    boxes, _ = select(logits, image_size=(12, 12), min_size=4)
    assert len(boxes) == 1
    boxes, _ = select(logits, max_per_img=2)
    assert len(boxes) == 2


def test_levels_do_not_suppress_each_other():
    generator = AnchorGenerator(strides=[8, 8], scales=[2], ratios=[1.0])
    logits, deltas = np.zeros((1, 1, 1), np.float32), np.zeros((4, 1, 1), np.float32)
    boxes, _ = ProposalSelector().select(
        [logits] * 2, [deltas] * 2, generator.grids([(1, 1), (1, 1)]), DeltaXYWHBBoxCoder(), (64, 64)
    )
    np.testing.assert_array_equal(boxes, [[0, 0, 8, 8]] * 2)


def test_a_diverged_model_gives_no_proposals():
    assert len(select(np.full((1, 2, 2), np.nan, np.float32))[0]) <= 4
    generator = AnchorGenerator(strides=[8], scales=[1], ratios=[1.0])
    boxes, _ = ProposalSelector().select(
        [np.zeros((1, 1, 1), np.float32)], [np.full((4, 1, 1), np.nan, np.float32)], generator.grids([(1, 1)]),
        DeltaXYWHBBoxCoder(), (64, 64),
    )  # fmt: skip
    assert boxes.shape == (0, 4)


def test_detections():
    """Two classes of one box; within a class the second box, with IoU 0.8, is suppressed; 0.05 itself does not count."""
    scores = np.float32([[0.1, 0.6, 0.3], [0.2, 0.5, 0.05], [0.9, 0.06, 0.0]])
    table = np.float32([[0, 0, 10, 10], [0, 0, 10, 8], [20, 20, 30, 30]])
    boxes, values, labels, rows = DetectionSelector().select(scores, lambda r, classes: table[r])
    np.testing.assert_allclose(values, [0.6, 0.3, 0.06])
    np.testing.assert_array_equal(labels, [1, 2, 1])
    np.testing.assert_array_equal(rows, [0, 0, 2])
    np.testing.assert_array_equal(boxes, table[rows])
    assert len(DetectionSelector(max_per_img=1).select(scores, lambda r, c: table[r])[0]) == 1
    none = DetectionSelector(score_thr=0.99).select(scores, lambda r, c: table[r])
    assert none[0].shape == (0, 4) and none[2].dtype == np.int32


def test_detections_that_are_not_finite_are_dropped():
    scores = np.float32([[0.1, 0.9], [0.1, 0.8]])
    table = np.float32([[0, 0, np.nan, 10], [0, 0, 10, 8]])
    assert DetectionSelector().select(scores, lambda r, c: table[r])[3].tolist() == [1]
