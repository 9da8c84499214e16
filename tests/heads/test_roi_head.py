import jittor as jt
import numpy as np
import pytest

from jsra.boxes.structures import proposals_of
from jsra.heads.branch import Branch
from jsra.heads.roi_head import RoIHead
from tests.heads.parts import branch, targets

LEFT_EDGE = [[0, 0], [0, 1]]  # the logit of class 1 is the left edge


def test_each_image_gets_its_own_rois_back():
    """Scores name their proposals. Of the second image nothing is proposed."""
    model = RoIHead(branch(LEFT_EDGE, [0, 0, 0, 0])).eval()
    proposals = [np.float32([[1, 0, 9, 9]]), np.zeros((0, 4)), np.float32([[2, 0, 9, 9], [3, 20, 9, 29]])]
    results = model(None, proposals_of(proposals), targets([], [], [], training=False, original=(60, 30)))
    assert [r["img_id"] for r in results] == [0, 1, 2]
    assert [len(r["boxes"]) for r in results] == [1, 0, 2]
    sigmoid = [1 / (1 + np.exp(-x)) for x in (1.0, 3.0, 2.0)]  # best first within an image
    np.testing.assert_allclose(np.concatenate([r["scores"] for r in results]), sigmoid, rtol=1e-5)
    np.testing.assert_allclose(results[2]["boxes"], [[6, 20, 18, 29], [4, 0, 18, 9]], rtol=1e-5)
    assert results[2]["labels"].tolist() == [1, 1] and results[2]["labels"].dtype == np.int32


class Widths(Branch):
    """A second branch: the width of each box, and in training the sum of the positives' widths."""

    def losses(self, feats, samples, targets):
        boxes, labels = samples[-1].boxes, samples[-1].labels
        return {"loss_widths": ((boxes[:, :, 2] - boxes[:, :, 0]) * (labels > 0)).sum()}

    def results(self, feats, results, targets):
        rois = results.rois
        widths = jt.ternary(rois[:, 0] >= 0, rois[:, 3] - rois[:, 1], -jt.ones_like(rois[:, 0]))
        results.fields["widths"] = widths.reshape(results.rows.shape)
        return results

    def finish(self, results, targets):
        for result in results:
            result["halves"] = result["widths"] / 2


def test_a_second_branch():
    """It is given what the boxes were trained on and what they found, in pixels of the input; it adds without touching."""
    box = branch(LEFT_EDGE, [0, 0, 0, 0])
    alone, both = RoIHead(box), RoIHead(box, {"widths": Widths()})
    proposals = proposals_of([np.float32([[2, 0, 9, 9], [3, 20, 8, 29]]), np.float32([[1, 0, 9, 9]])])
    objects = targets([[3, 20, 8, 28]], [])
    losses = both(None, proposals, objects)
    assert set(losses) == {"loss_cls", "loss_box", "loss_widths"}
    assert losses["loss_widths"].item() == 5 + 5  # the proposal and the ground truth itself
    np.testing.assert_allclose(losses["loss_cls"].item(), alone(None, proposals, objects)["loss_cls"].item(), rtol=1e-6)
    both.eval(), alone.eval()
    known = targets([], [], training=False, original=(60, 30))
    for expected, found in zip(alone(None, proposals, known), both(None, proposals, known)):
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
        np.testing.assert_allclose(found["widths"] * 2, found["boxes"][:, 2] - found["boxes"][:, 0], rtol=1e-5)
        np.testing.assert_array_equal(found["halves"], found["widths"] / 2)


def test_names_of_branches():
    box = branch(LEFT_EDGE, [0, 0, 0, 0])
    assert RoIHead(box, {"widths": Widths()}).widths is not None
    with pytest.raises(ValueError, match="cannot have the name 'box'"):
        RoIHead(box, {"box": Widths()})
