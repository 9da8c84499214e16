import jittor as jt
import numpy as np

from jsra.boxes.structures import Targets, first, proposals_of, rois_of, take


def test_targets_are_padded():
    images = [
        dict(bboxes=[[1, 2, 3, 4]], labels=[7], img_size=(30, 20), ori_img_size=(60, 60), pad_shape=(32, 32)),
        dict(bboxes=np.zeros((0, 4)), labels=[], bboxes_ignore=[[5, 6, 7, 8]], img_size=(10, 20), ori_img_size=(10, 20)),
    ]
    targets = Targets(images, training=True)
    assert len(targets) == 2 and list(targets) == images
    assert targets.sizes.numpy().tolist() == [[30, 20], [10, 20]]
    assert targets.pad_sizes.numpy().tolist() == [[32, 32], [10, 20]]
    assert targets.scales.numpy().tolist() == [[2, 3, 2, 3], [1, 1, 1, 1]]
    boxes, labels, count, ignored, ignored_count = (v.numpy().tolist() for v in targets.truth)
    assert boxes == [[[1, 2, 3, 4]], [[0, 0, 0, 0]]] and labels == [[7], [0]] and count == [1, 0]
    assert ignored == [[[0, 0, 0, 0]], [[5, 6, 7, 8]]] and ignored_count == [0, 1]
    assert Targets(images, training=False).truth is None


def test_take():
    values = jt.array(np.arange(12).reshape(2, 3, 2).astype(np.float32))
    index = jt.array(np.int32([[2, -1], [0, 0]]))
    assert take(values, index).numpy().tolist() == [[[4, 5], [0, 0]], [[6, 7], [6, 7]]]
    assert take(values[:1], index).numpy().tolist() == [[[4, 5], [0, 0]], [[0, 1], [0, 1]]]
    assert take(jt.array(np.int32([[3, 5], [7, 9]])), index - 1).numpy().tolist() == [[5, 0], [0, 0]]


def test_rois_and_proposals():
    """The second image has one box less."""
    proposals = proposals_of([np.float32([[1, 2, 3, 4], [5, 6, 7, 8]]), np.float32([[9, 9, 10, 10]])])
    assert proposals.valid.numpy().tolist() == [[1, 1], [1, 0]]
    assert rois_of(proposals.boxes, proposals.valid).numpy().tolist() == [
        [0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [1, 9, 9, 10, 10], [-1, 0, 0, 0, 0],
    ]  # fmt: skip
    assert first(jt.array(np.int32([0, 2])), 3).numpy().tolist() == [[0, 0, 0], [1, 1, 0]]
