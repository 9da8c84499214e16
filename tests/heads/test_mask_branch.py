"""Mask branches on RoIs whose features are their own masks, with numbers that can be computed by hand."""

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.structures import Results, Targets, proposals_of, rois_of
from jsra.data.masks import InstanceMasks, to_bitmaps
from jsra.heads import mask_branch
from jsra.heads.cascade_mask_branch import CascadeMaskBranch
from jsra.heads.mask_branch import MaskBranch, paste
from jsra.heads.mask_head import FCNMaskHead
from jsra.heads.roi_head import RoIHead
from jsra.losses.cross_entropy import CrossEntropyLoss
from tests.heads.parts import branch as box_branch

HALF = [[10, 10, 15, 10, 15, 20, 10, 20]]  # the left half of the box (10, 10, 20, 20)


class Widths(jt.nn.Module):
    """An extractor whose feature of an RoI, at each of 2 x 2 places, is the RoI's width; 0 for no RoI."""

    calls = 0

    def execute(self, feats, rois):
        self.calls += 1
        width = jt.ternary(rois[:, 0] >= 0, rois[:, 3] - rois[:, 1], jt.zeros((rois.shape[0],)))
        return width.reshape(-1, 1, 1, 1).broadcast([rois.shape[0], 1, 2, 2])


def make(gain=1.0, classes=2, **settings):
    """Logits of class c: c * gain * the feature, in all of the 4 x 4 places."""
    head = FCNMaskHead(CrossEntropyLoss(use_sigmoid=True), classes, in_channels=1, conv_out_channels=1, num_convs=0)
    head.upsample.weight.assign(jt.ones((1, 1, 2, 2)))
    head.logits.weight.assign(jt.array(gain * np.arange(1, classes + 1, dtype=np.float32).reshape(classes, 1, 1, 1)))
    return MaskBranch(Widths(), head, **settings)


def images(*segmentations, training=True):
    """An image of 30 x 30 for each list of segmentations, all of the box (10, 10, 20, 20) and of class 1."""
    found = []
    for i, masks in enumerate(segmentations):
        boxes = np.float32([[10, 10, 20, 20]] * len(masks))
        sizes = dict(img_size=(30, 30), ori_img_size=(60, 30))
        found.append(dict(img_id=i, bboxes=boxes, labels=[1] * len(boxes), masks=InstanceMasks(masks, 30, 30), **sizes))
    return Targets(found, training)


def losses(mask, *segmentations, proposals=()):
    model = RoIHead(box_branch([[0, 0], [0, 0]], [0, 0, 0, 0]), dict(mask=mask))
    boxes = [np.float32(proposals).reshape(-1, 4)] * len(segmentations)
    return model(None, proposals_of(boxes), images(*segmentations))


def test_the_loss_of_the_positives():
    """The samples are two ground truths with masks, one without, and a negative. The logit of class 1 is the width, 10; the
    target is 1 in the left half."""
    found = losses(make(gain=0.1), [HALF], [HALF, None], proposals=[[0, 0, 3, 3]])
    assert found["loss_mask"].item() == pytest.approx(0.5 * np.log1p(np.exp(-1.0)) + 0.5 * np.log1p(np.exp(1.0)), rel=1e-5)


def test_no_masks_no_loss():
    found = losses(make(), [None], [])
    assert found["loss_mask"].item() == 0


@pytest.mark.parametrize("settings, share", [
    (dict(), 2 / 4), (dict(target_thr=0.3), 3 / 4), (dict(target_thr=None), (35 / 36 + 1 + 5 / 12) / 4 * 71 / 72),
])  # fmt: skip
def test_where_the_target_is_one(settings, share):
    """A mask of 6 x 10 pixels in a box of 10 x 10, in 4 x 4 bins of 2.5 pixels with 3 samples along each axis. In the third
    column these lie at 14.92, 15.75 and 16.58, of which the mask, pixels 10 to 15, has 1, 1/4 and 0. At its borders it has
    11/12 of the outermost sample. Logits of 1 cost log(1 + e), less 1 where the target is 1."""
    mask = [[10, 10, 16, 10, 16, 20, 10, 20]]
    found = losses(make(gain=0.1, **settings), [mask])["loss_mask"].item()
    assert found == pytest.approx(np.log1p(np.e) - share, rel=1e-5)


def results(boxes, labels, count, targets):
    """Results of boxes [B, M, 4] in pixels of the original image."""
    boxes, labels, count = jt.array(np.float32(boxes)), jt.array(np.int32(labels)), jt.array(np.int32(count))
    rois = rois_of(boxes / targets.scales.unsqueeze(1), labels)
    return Results(count, jt.zeros(labels.shape, "int32"), rois, {"boxes": boxes, "labels": labels})


BOXES = [[[0, 0, 20, 10], [0, 0, 8, 10], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 3, [[0, 0, 4, 4], [0, 0, 0, 0], [0, 0, 0, 0]]]
LABELS = [[1, 2, 0], [0, 0, 0], [2, 0, 0]]


def test_masks_of_each_detection(monkeypatch):
    """The input is half as wide as the original image: the widths of the RoIs are 10, 4 and 2. Two RoIs go at a time."""
    monkeypatch.setattr(mask_branch, "ROIS", 2)
    targets, model = images([], [], [], training=False), make(gain=0.1)
    found = model.results(None, results(BOXES, LABELS, [2, 0, 1], targets), targets).fields["masks"].numpy()
    sigmoid = 1 / (1 + np.exp([-1.0, -0.8, -0.4]))
    expected = np.float64([[sigmoid[0], sigmoid[1]], [0, 0], [sigmoid[2], 0]])
    np.testing.assert_allclose(found, np.broadcast_to(expected[:, :, None, None], (3, 2, 4, 4)), rtol=1e-5)
    assert model.extractor.calls == 2


def test_no_detections():
    targets = images([], training=False)
    found = make().results(None, results([[[0, 0, 0, 0]]], [[0]], [0], targets), targets)
    assert list(found.fields["masks"].shape) == [1, 1, 4, 4]
    result = dict(boxes=np.zeros((0, 4), np.float32), masks=np.zeros((0, 4, 4), np.float32))
    make().finish([result], targets)
    assert result["masks"] == []


def test_finished_masks_are_rle_of_the_original_image():
    mask = np.zeros((1, 4, 4), np.float32)
    mask[0, :, :2] = 0.9
    result = dict(boxes=np.float32([[20, 10, 40, 20]]), masks=mask)
    other = dict(boxes=np.zeros((0, 4), np.float32), masks=np.zeros((0, 4, 4), np.float32))
    make(mask_thr=0.4).finish([other, result], images([], [], training=False))
    assert other["masks"] == [] and len(result["masks"]) == 1
    # Along x it is 0.9 * 0.6 in the first pixel, at 29.5 again, and 0.9 * 0.4 at 30.5; along y the outermost have 0.7 of it.
    expected = np.zeros((30, 60), np.uint8)
    expected[10:20, 20:30] = 1
    expected[[10, 10, 19, 19], [20, 29, 20, 29]] = 0  # 0.9 * 0.6 * 0.7
    np.testing.assert_array_equal(to_bitmaps(result["masks"], 60, 30)[0], expected)


def test_pasting_in_parts(monkeypatch, rng):
    corners = rng.uniform(0, 50, (6, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32)
    masks = rng.uniform(0, 1, (6, 5, 5)).astype(np.float32)
    whole = paste(masks, boxes, (50, 40))
    monkeypatch.setattr(mask_branch, "PIXELS", 300)
    assert paste(masks, boxes, [(50, 40)] * 6) == whole and len(whole) == 6
    assert any(to_bitmaps(whole, 50, 40).sum(axis=(1, 2)) > 0)


def test_a_cascade_of_masks():
    """Each stage trains on its own samples, with its weight; the mean of the probabilities is what counts."""
    stages = [make(gain=0.1), make(gain=0.3)]
    model = CascadeMaskBranch(stages, loss_weights=[1, 0.5])
    targets = images([HALF])
    box = box_branch([[0, 0], [0, 0]], [0, 0, 0, 0])
    _, (first,) = box.losses(None, proposals_of([np.zeros((0, 4), np.float32)]), targets)
    _, (second,) = box.losses(None, proposals_of([np.float32([[11, 10, 21, 20]])]), targets)
    found = model.losses(None, [first, second], targets)
    alone = [stage.losses(None, [samples], targets)["loss_mask"].item() for stage, samples in zip(stages, [first, second])]
    assert {name: loss.item() for name, loss in found.items()} == {
        "s0.loss_mask": pytest.approx(alone[0]), "s1.loss_mask": pytest.approx(0.5 * alone[1])
    }  # fmt: skip
    rois = jt.array(np.float32([[0, 0, 0, 10, 5]]))
    probability = model.probabilities(None, rois, jt.array(np.int32([1]))).numpy()
    np.testing.assert_allclose(probability, (1 / (1 + np.exp(-1.0)) + 1 / (1 + np.exp(-3.0))) / 2, rtol=1e-5)
    assert [list(logits.shape) for logits in model.forward(None, rois)] == [[1, 2, 4, 4]] * 2
    with pytest.raises(ValueError, match="2 mask stages, but 1 box stages"):
        RoIHead(box, dict(mask=model))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="list of at least one MaskBranch"):
        CascadeMaskBranch([])
    with pytest.raises(ValueError, match="1 stages but 2 loss_weights"):
        CascadeMaskBranch(dict(s0=make()), loss_weights=[1, 2])
