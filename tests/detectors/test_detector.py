"""The base class of all detectors."""

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.detectors.detector import Detector
from jsra.registry import ConfigError


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


def test_targets_may_be_vars():
    model, images = Mean(Double()), jt.ones((1, 3, 4, 6))
    target = dict(bboxes=jt.array([[0.0, 0.0, 1.0, 1.0]]), labels=jt.array([1]), bboxes_ignore=jt.zeros((0, 4)))
    assert model(images, [target])["loss_mean"].item() == pytest.approx(2)
    with pytest.raises(ValueError, match=r"labels must be whole numbers from 1 .*, not \[0\]"):
        model(images, [{**target, "labels": jt.array([0])}])


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


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(labels=[0, 1]), r"labels must be whole numbers from 1 to 2 \(0 is the background\), not \[0, 1\]"),
        (dict(labels=[1, 3]), "labels must be whole numbers from 1 to 2"),
        (dict(labels=[-1, 1]), "labels must be whole numbers"),
        (dict(labels=[1.5, 1]), "labels must be whole numbers"),
        (dict(labels=["cat", "dog"]), "labels must be whole numbers"),
        (dict(bboxes=[[0, 0, 1, np.nan], [0, 0, 1, 1]]), "bboxes must be finite numbers"),
        (dict(bboxes=[[3, 0, 1, 2], [0, 0, 1, 1]]), "bboxes must be .* with x0 <= x1 and y0 <= y1"),
        (dict(bboxes=np.zeros((4, 5)), labels=[1, 1, 1, 1]), r"bboxes must be finite numbers \[n, 4\]"),  # 20 numbers
        (dict(bboxes_ignore=[[0, 0, np.inf, 1]]), "bboxes_ignore must be finite numbers"),
    ],
)
def test_objects_that_are_none_are_refused(change, words):
    """A label that the loss does not know would be trained as another class, or as none."""
    model, images = Mean(Double()), jt.ones((1, 3, 4, 6))
    model.head = Double()
    model.head.num_classes = 2
    target = dict(img_id=7, bboxes=[[0, 0, 1, 1], [2, 2, 2, 4]], labels=[1, 2.0])
    assert model(images, [target])["loss_mean"].item() == pytest.approx(4)
    # A ConfigError: the part of the model that says it is not what is wrong (jsra.detectors.fit.within).
    with pytest.raises(ConfigError, match=f"^image 7: {words}.*: correct the data set$"):
        model(images, [{**target, **change}])


def test_a_head_may_be_replaced_by_one_for_more_classes():
    model, images = Mean(Double()), jt.ones((1, 3, 4, 6))
    target = dict(bboxes=[[0, 0, 1, 1]], labels=[3])
    for count, fits in ((2, False), (3, True), (2, False)):
        model.head = Double()
        model.head.num_classes = count
        if fits:
            assert model(images, [target])["loss_mean"].item() == pytest.approx(2)
        else:
            with pytest.raises(ValueError, match=r"from 1 to 2 .*, not \[3\]"):
                model(images, [target])


def test_what_a_user_freezes_after_an_evaluation_stays_frozen():
    detector = Detector(nn.Conv(3, 2, 1), nn.Sequential(nn.Conv(2, 2, 1), nn.BatchNorm(2)))
    frozen = lambda part: [p.is_stop_grad() for p in part.parameters()]  # noqa: E731
    detector.eval()
    detector.train()
    for parameter in detector.backbone.parameters():
        parameter.stop_grad()
    detector.train()
    assert all(frozen(detector.backbone)) and not all(frozen(detector.neck))
    detector.eval()
    detector.train()
    assert all(frozen(detector.backbone)) and detector.backbone.is_training()
    for parameter in detector.backbone.parameters():
        parameter.start_grad()
    detector.neck.eval()  # a part alone: train() of the whole trains it again, what it froze too
    detector.train()
    assert not any(frozen(detector.backbone)) and detector.neck.is_training()
    assert frozen(detector.neck[0]) == [False, False]
    detector.neck[0].eval()
    detector.neck.eval()
    detector.train()
    assert frozen(detector.neck[0]) == [False, False]
    detector.neck.eval()
    detector.neck.train()
    detector.neck[0].weight.stop_grad()
    detector.eval()
    detector.train()
    assert frozen(detector.neck[0]) == [True, False]
