"""Cascades of two stages on one image, with numbers that can be computed by hand."""

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.detections import DetectionSelector
from jsra.boxes.structures import proposals_of
from jsra.heads.cascade_box_branch import CascadeBoxBranch
from jsra.heads.roi_head import RoIHead
from tests.heads.parts import branch, targets

RIGHT = [0.5, 0, 0, 0]  # deltas that move a box to the right by half its width
STAY = [0, 0, 0, 0]


@pytest.mark.parametrize("agnostic", [False, True])
def test_boxes_are_refined_and_logits_averaged(agnostic):
    """10 x 10 at 0 moves to 5 in the first stage and to 10 in the second. The logits of class 1 are the left edge of what
    each stage reads: 0 and 2 * 5, 5 in the mean; those of the background 0."""
    stages = dict(
        s0=branch([[0, 0], [0, 1]], RIGHT, agnostic=agnostic), s1=branch([[0, 0], [0, 2]], RIGHT, agnostic=agnostic)
    )
    model = RoIHead(CascadeBoxBranch(stages, test=DetectionSelector())).eval()
    proposals = proposals_of([np.float32([[0, 0, 10, 10]])])
    (found,) = model(None, proposals, targets([], training=False, size=(17, 30)))
    np.testing.assert_allclose(found["boxes"], [[10, 0, 17, 10]], atol=1e-5)  # clipped
    np.testing.assert_allclose(found["scores"], [1 / (1 + np.exp(-5))], rtol=1e-5)


def test_training_refines_samples_but_not_ground_truths():
    """The object is 10 x 10 at 5, the proposal 10 x 10 at 0: IoU 1/3, a negative of the first stage (0.5), which moves it
    onto the object: a positive of the second (0.9). The ground truth, added in both stages, is not moved (it would be a
    second box, at 10)."""
    stages = dict(s0=branch([[0, 0], [0, 0]], RIGHT), s1=branch([[0, 0], [0, 0]], STAY, pos_iou=0.9))
    box = CascadeBoxBranch(stages, loss_weights=[1, 0.5])
    losses, samples = box.losses(None, proposals_of([np.float32([[0, 0, 10, 10]])]), targets([[5, 0, 15, 10]]))
    first, second = ([v.numpy()[0] for v in (s.boxes, s.labels, s.weights)] for s in samples)
    np.testing.assert_allclose(first[0][:2], [[5, 0, 15, 10], [0, 0, 10, 10]])
    assert first[1].tolist() == [1, 0, 0, 0] and first[2].tolist() == [1, 1, 0, 0]
    np.testing.assert_allclose(second[0][:2], [[5, 0, 15, 10]] * 2, atol=1e-5)
    assert second[1].tolist() == [1, 1, 0, 0] and second[2].tolist() == [1, 1, 0, 0]
    assert list(losses) == ["s0.loss_cls", "s0.loss_box", "s1.loss_cls", "s1.loss_box"]
    # Logits of zero cost ln 2 a sample. The first stage's positive is the object itself, which RIGHT misses by 0.5.
    values = [loss.item() for loss in losses.values()]
    np.testing.assert_allclose(values, [np.log(2), 0.5 / 2, 0.5 * np.log(2), 0], atol=1e-5)


def test_no_gradient_through_the_refined_boxes():
    """The second stage's loss says nothing to the first one's weights."""
    stages = dict(s0=branch([[0, 0], [0, 0]], RIGHT), s1=branch([[0, 0], [0, 1]], RIGHT))
    box = CascadeBoxBranch(stages)
    losses, _ = box.losses(None, proposals_of([np.float32([[0, 0, 10, 10]])]), targets([[5, 0, 15, 10]]))
    second = losses["s1.loss_cls"] + losses["s1.loss_box"]
    grads = jt.grad(second, [box.stages[0].head.box.bias, box.stages[1].head.box.bias])
    assert (grads[0].numpy() == 0).all() and (grads[1].numpy() != 0).any()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="at least one BoxBranch"):
        CascadeBoxBranch({})
    with pytest.raises(ValueError, match="1 stages but 2 loss_weights"):
        CascadeBoxBranch({"s0": branch([[0, 0], [0, 0]], STAY)}, loss_weights=[1, 2])
