"""The base class of all detectors."""

import jittor as jt
import numpy as np
import pytest

from jsra.detectors.detector import Detector


class Mean(Detector):
    """One stage: the loss is the mean of the map, and the result of an image its size in original pixels."""

    def execute(self, images, targets=None):
        targets = self.complete(images, targets)
        (feats,) = self.features(images)
        if self.is_training():
            return {"loss_mean": feats.mean() * targets.truth.count.sum()}
        return [dict(img_id=t["img_id"], size=t["ori_img_size"]) for t in targets]


class Double(jt.nn.Module):
    def execute(self, images):
        return (images * 2,)


def test_a_detector_of_one_stage():
    model = Mean(Double())
    boxes = dict(bboxes=np.float32([[0, 0, 1, 1]] * 3), labels=np.int32([1, 1, 1]))
    assert model(jt.ones((1, 3, 4, 6)), [boxes])["loss_mean"].item() == pytest.approx(6)
    model.eval()
    assert model(jt.ones((2, 3, 4, 6))) == [dict(img_id=0, size=(6, 4)), dict(img_id=1, size=(6, 4))]
    given = [dict(img_id="a", img_size=(5, 3)), dict(img_size=(6, 4), ori_img_size=(60, 40))]
    assert [r["size"] for r in model(jt.ones((2, 3, 4, 6)), given)] == [(5, 3), (60, 40)]


def test_targets_that_do_not_fit():
    model, images = Mean(Double()), jt.ones((1, 3, 4, 6))
    for targets, message in (
        (None, "training needs targets"),
        ([{}, {}], "1 images but 2 targets"),
        ([dict(img_id=7, bboxes=[])], "training needs 'labels' in every target; image 7 has none"),
        ([dict(img_id=7, bboxes=np.zeros((2, 4)), labels=[1])], "image 7: 2 bboxes but 1 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            model(images, targets)
