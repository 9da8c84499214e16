import jittor as jt
import numpy as np

from jsra.boxes.anchors import AnchorGenerator
from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.detections import DetectionSelector
from jsra.boxes.proposals import ProposalSelector


def select(logits, deltas=None, sizes=((100, 100),), strides=(8,), scale=1, **settings):
    """For each image (boxes [n, 4], scores [n]). Anchors of side 8 * scale on the strides; no deltas by default."""
    logits = [logits] if isinstance(logits, np.ndarray) else logits
    deltas = deltas or [np.zeros((x.shape[0], 4, *x.shape[2:]), np.float32) for x in logits]
    generator = AnchorGenerator(strides=strides, scales=[scale], ratios=[1.0])
    found = ProposalSelector(**settings).select(
        [jt.array(x) for x in logits], [jt.array(x) for x in deltas], generator.grids([x.shape[2:] for x in logits]),
        DeltaXYWHBBoxCoder(), jt.array(np.float32(sizes)),
    )  # fmt: skip
    boxes, scores, valid = (v.numpy() for v in found)
    return [(b[v > 0], s[v > 0]) for b, s, v in zip(boxes, scores, valid)]


def test_best_first_and_clipped():
    """Two images: of the second only its own part is kept."""
    logits = np.full((2, 1, 3, 3), -9.0, np.float32)
    logits[:, 0, 1, 2], logits[:, 0, 0, 0] = 2, 1
    (boxes, scores), (clipped, _) = select(logits, sizes=[(100, 100), (14, 100)], nms_pre=2)
    np.testing.assert_allclose(boxes, [[12, 4, 20, 12], [0, 0, 4, 4]])
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))], rtol=1e-6)
    np.testing.assert_allclose(clipped, [[12, 4, 14, 12], [0, 0, 4, 4]])


def test_empty_after_clipping_and_limits():
    logits = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    ((boxes, _),) = select(logits, sizes=[(12, 12)])
    assert len(boxes) == 4  # the third row and column lie outside and have no area left
    assert len(select(logits, sizes=[(12, 12)], min_size=4)[0][0]) == 1
    assert len(select(logits, max_per_img=2)[0][0]) == 2


def test_levels_do_not_suppress_each_other():
    ((boxes, _),) = select([np.zeros((1, 1, 1, 1), np.float32)] * 2, strides=(8, 8), scale=2)
    np.testing.assert_array_equal(boxes, [[0, 0, 8, 8]] * 2)


def test_a_diverged_model_gives_no_proposals():
    """Deltas that are not finite make no box; scores that are not numbers come last."""
    deltas = np.zeros((1, 4, 1, 3), np.float32)
    deltas[0, 0, 0], deltas[0, 2, 0, 1] = [np.nan, 0, np.inf], np.nan
    assert select(np.zeros((1, 1, 1, 3), np.float32), [deltas])[0][0].shape == (0, 4)
    logits = np.float32([[[[np.nan, 1, 2]]]])
    np.testing.assert_allclose(select(logits, nms_pre=2)[0][0], [[12, 0, 20, 4], [4, 0, 12, 4]])


def test_detections():
    """Two classes of one box; within a class the second box, with IoU 0.8, is suppressed; 0.05 itself does not count. The
    last row is no proposal."""
    scores = np.float32([[[0.6, 0.3], [0.5, 0.05], [0.06, 0.0], [0.9, 0.9]]])
    table = np.float32([[[0, 0, 10, 10], [0, 0, 10, 8], [20, 20, 30, 30], [50, 50, 60, 60]]])

    def found(**settings):
        arrays = (table, scores, np.int32([[1, 1, 1, 0]]))
        boxes, values, labels, rows, count = DetectionSelector(**settings).select(*map(jt.array, arrays))
        return [v.numpy()[0, : count.item()] for v in (boxes, values, labels, rows)]

    boxes, values, labels, rows = found()
    np.testing.assert_allclose(values, [0.6, 0.3, 0.06])
    assert labels.tolist() == [1, 2, 1] and rows.tolist() == [0, 0, 2]
    np.testing.assert_array_equal(boxes, table[0, rows])
    assert len(found(max_per_img=1)[0]) == 1 and len(found(score_thr=0.99)[0]) == 0
