import jittor as jt
import numpy as np
import pytest

from jsra.losses.cross_entropy import CrossEntropyLoss, binary_cross_entropy
from jsra.losses.focal import FocalLoss
from jsra.losses.l1 import L1Loss, SmoothL1Loss


def value(loss):
    return float(loss.numpy().item())


def var(*rows, dtype=np.float32):
    return jt.array(np.array(rows, dtype))


def test_softmax_cross_entropy():
    """Logits 0, ln 3 are probabilities 1/4, 3/4; equal logits are 1/2 each."""
    logits, labels = var([0, np.log(3)], [5, 5]), var(1, 0, dtype=np.int32)
    each = -np.log([3 / 4, 1 / 2])
    assert value(CrossEntropyLoss()(logits, labels)) == pytest.approx(each.mean(), rel=1e-6)
    weighted = CrossEntropyLoss(loss_weight=2.0)(logits, labels, weight=var(0, 3), avg_factor=4)
    assert value(weighted) == pytest.approx(2 * 3 * each[1] / 4, rel=1e-6)


def test_softmax_cross_entropy_of_huge_logits():
    """No overflow: exp(1e4) is infinite, the loss is the difference of the logits."""
    assert value(CrossEntropyLoss()(var([1e4, 0.0]), var(1, dtype=np.int32))) == pytest.approx(1e4, rel=1e-6)


def test_softmax_gradient_is_probability_minus_target():
    logits = var([0, np.log(3)])
    gradient = jt.grad(CrossEntropyLoss()(logits, var(1, dtype=np.int32)), logits).numpy()
    np.testing.assert_allclose(gradient, [[1 / 4, 3 / 4 - 1]], rtol=1e-5)


def test_binary_cross_entropy():
    """sigmoid(ln 3) = 3/4; of +-1000 the loss of the right answer is 0 and of the wrong one 1000."""
    logits, targets = var(np.log(3), np.log(3), 1000, -1000), var(1, 0, 1, 1)
    expected = (-np.log(3 / 4) - np.log(1 / 4) + 0 + 1000) / 4
    assert value(CrossEntropyLoss(use_sigmoid=True)(logits, targets)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_gradient_is_probability_minus_target(target):
    """Also at 0, where neither of the two terms with a kink has a gradient of its own."""
    logits = var(-np.log(3), -0.0, 0, np.log(3))
    gradient = jt.grad(binary_cross_entropy(logits, jt.full((4,), target)).sum(), logits).numpy()
    np.testing.assert_allclose(gradient, np.array([1 / 4, 1 / 2, 1 / 2, 3 / 4]) - target, rtol=1e-5)


def test_focal_loss():
    """sigmoid(ln 3) = 3/4: of the label's class 0.25 (1/4)^2 ln(4/3), of the other 0.75 (3/4)^2 ln 4."""
    own, other = 0.25 / 16 * np.log(4 / 3), 0.75 * 9 / 16 * np.log(4)
    logits, labels = var([np.log(3)] * 2, [np.log(3)] * 2), var(2, 0, dtype=np.int32)
    each = np.array([own + other, 2 * other])
    assert value(FocalLoss()(logits, labels)) == pytest.approx(each.mean(), rel=1e-6)
    weighted = FocalLoss(loss_weight=2.0)(logits, labels, weight=var(0, 3), avg_factor=4)
    assert value(weighted) == pytest.approx(2 * 3 * each[1] / 4, rel=1e-6)
    np.testing.assert_allclose(FocalLoss().scores(logits).numpy(), np.full((2, 2), 0.75), rtol=1e-6)


def test_l1_and_smooth_l1():
    prediction, target = var([0.0, 2.0, -1.0]), var([0.5, 0.0, -1.0])
    assert value(L1Loss()(prediction, target)) == pytest.approx((0.5 + 2 + 0) / 3)
    # beta 1: 0.5^2 / 2 below it, 2 - 1/2 above it.
    assert value(SmoothL1Loss(beta=1.0)(prediction, target, avg_factor=1)) == pytest.approx(0.125 + 1.5)
    # beta 1/9: both are above it: 0.5 - 1/18 and 2 - 1/18.
    assert value(SmoothL1Loss(beta=1 / 9)(prediction, target, avg_factor=1)) == pytest.approx(2.5 - 1 / 9, rel=1e-6)
    with pytest.raises(ValueError, match="for beta 0 use L1Loss"):
        SmoothL1Loss(beta=0)


@pytest.mark.parametrize(
    "loss, shape",
    [(CrossEntropyLoss(), (0, 3)), (FocalLoss(), (0, 3)), (L1Loss(), (0, 4)), (SmoothL1Loss(), (0, 4))],
)
def test_nothing_to_learn_from_is_zero_and_has_a_gradient(loss, shape):
    logits = jt.zeros((2, shape[1]))
    empty = logits[:0]
    targets = jt.zeros((0,), dtype="int32") if isinstance(loss, (CrossEntropyLoss, FocalLoss)) else jt.zeros(shape)
    result = loss(empty, targets)
    assert value(result) == 0
    np.testing.assert_array_equal(jt.grad(result, logits).numpy(), np.zeros((2, shape[1])))


def test_a_loss_is_of_the_kind_that_its_place_needs():
    from jsra.losses.kinds import check_binary, check_classes, check_dense, check_numbers

    softmax, sigmoid, focal, box = CrossEntropyLoss(), CrossEntropyLoss(use_sigmoid=True), FocalLoss(), L1Loss()
    refused = [
        *((check_classes, loss, ("H",), "is no loss for classes") for loss in (box,)),
        *((check_dense, loss, ("H",), "use FocalLoss") for loss in (softmax, sigmoid, box)),
        *((check_binary, loss, ("H", "loss_cls"), "loss_cls needs use_sigmoid=True") for loss in (softmax, focal)),
        *((check_numbers, loss, ("H",), "use L1Loss or SmoothL1Loss") for loss in (softmax, sigmoid, focal)),
    ]
    for check, loss, about, words in refused:
        with pytest.raises(ValueError, match=words):
            check(loss, *about)
    for check, loss, about in (
        *((check_classes, loss, ("H",)) for loss in (softmax, sigmoid, focal)),
        (check_dense, focal, ("H",)), (check_binary, sigmoid, ("H", "loss_cls")), (check_numbers, box, ("H",)),
    ):  # fmt: skip
        check(loss, *about)


@pytest.mark.parametrize(
    "place, loss, words",
    [
        ("rpn.loss_cls", dict(type="CrossEntropyLoss"), "model.rpn: RPNHead: loss_cls needs use_sigmoid"),
        ("rpn.loss_box", dict(type="FocalLoss"), "model.rpn: RPNHead: loss_box is FocalLoss"),
        ("roi_head.box.head.loss_cls", dict(type="L1Loss"), "loss_cls is L1Loss"),
        ("roi_head.box.head.loss_box", dict(type="CrossEntropyLoss"), "loss_box is CrossEntropyLoss"),
    ],
)
def test_heads_refuse_a_loss_of_another_kind(place, loss, words):
    from jsra.config import load_config
    from jsra.registry import ConfigError, build
    from tests.test_configs import ROOT

    model = load_config(f"{ROOT}/mini/puppets_r18_fpn_roi_align.py")["model"]
    part = model
    for key in place.split(".")[:-1]:
        part = part[key]
    part[place.split(".")[-1]] = loss
    with pytest.raises(ConfigError, match=words):
        build(model, "model", "detector")
