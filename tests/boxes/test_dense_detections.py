import jittor as jt
import numpy as np

from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.dense_detections import DenseSelector
from jsra.boxes.structures import Targets


def logit(p):
    return np.log(p / (1 - p))


def test_by_hand():
    """Four positions of one anchor and two classes, by falling score: the second box of class 1 falls to the first one, of
    class 2 it stays; one pair is below the threshold, one box has no width within the image. Everything doubles in size."""
    anchors = np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    scores = np.float32([[0.9, 0.2], [0.8, 0.7], [0.04, 0.6], [0.99, 0.99]])  # [position, class]
    logits = [jt.array(logit(scores).T.reshape(1, 2, 1, 4).astype(np.float32))]
    targets = Targets([dict(img_size=(32, 16), ori_img_size=(64, 32))], training=False)
    selector = DenseSelector(nms_pre=8, score_thr=0.05, nms_thr=0.5, max_per_img=6)
    found = selector.select(logits, [jt.zeros((1, 4, 1, 4))], jt.array(anchors), DeltaXYWHBBoxCoder(), 2, targets)
    assert found.count.numpy().tolist() == [3]
    assert found.fields["labels"].numpy().tolist() == [[1, 2, 2, 0, 0, 0]]
    np.testing.assert_allclose(found.fields["scores"].numpy()[0], [0.9, 0.7, 0.6, 0, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found.fields["boxes"].numpy()[0, :3], 2 * anchors[[0, 1, 2]])
    assert found.rows.numpy().tolist() == [[0, 1, 2, -1, -1, -1]]
    assert found.rois.numpy()[:, 0].tolist() == [0, 0, 0, -1, -1, -1]


def test_the_best_of_each_level_and_no_number_that_is_not_finite():
    """nms_pre=1 keeps a pair a level; a box that is not finite is none."""
    anchors = jt.array(np.float32([[0, 0, 10, 10], [20, 0, 30, 10], [0, 20, 10, 30]]))
    logits = [jt.array(np.float32([2, 1]).reshape(1, 1, 1, 2)), jt.array(np.float32([0]).reshape(1, 1, 1, 1))]
    deltas = np.zeros((1, 4, 1, 2), np.float32)
    targets = Targets([dict(img_size=(32, 32), ori_img_size=(32, 32))], training=False)
    for bad, rows in ((0.0, [0, 2]), (np.nan, [2, -1])):
        deltas[0, 0, 0, 0] = bad
        maps = [jt.array(deltas), jt.zeros((1, 4, 1, 1))]
        selector = DenseSelector(nms_pre=1, max_per_img=2)
        found = selector.select(logits, maps, anchors, DeltaXYWHBBoxCoder(), 1, targets)
        assert found.rows.numpy().tolist() == [rows]
