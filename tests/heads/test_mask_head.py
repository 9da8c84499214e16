import jittor as jt
import numpy as np
import pytest

from jsra.heads.mask_head import DoublingConv, FCNMaskHead, interleave
from jsra.losses.cross_entropy import CrossEntropyLoss

LOSS = CrossEntropyLoss(use_sigmoid=True)


def head(**settings):
    return FCNMaskHead(LOSS, **{"num_classes": 5, "in_channels": 6, "conv_out_channels": 4, "num_convs": 2, **settings})


def test_the_transposed_convolution(rng):
    """Output (2y + i, 2x + j) is the input at (y, x) times the weight at (i, j)."""
    layer = DoublingConv(3, 2)
    weight, bias = rng.standard_normal((3, 2, 2, 2)), rng.standard_normal(2)
    layer.weight.assign(jt.array(weight.astype(np.float32)))
    layer.bias.assign(jt.array(bias.astype(np.float32)))
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    expected = np.einsum("kchw,coij->kohiwj", x, weight).reshape(2, 2, 8, 10) + bias[:, None, None]
    np.testing.assert_allclose(interleave(layer(jt.array(x))).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("agnostic", [False, True])
def test_the_logits_of_one_class_are_those_of_all(agnostic, rng):
    """In value and in gradient; RoIs of no class have none."""
    model = head(class_agnostic=agnostic)
    x = jt.array(rng.standard_normal((4, 6, 3, 3)).astype(np.float32))
    labels, wanted = np.int32([2, 5, 0, 1]), rng.standard_normal((4, 6, 6)).astype(np.float32)
    every, own = model(x), model.class_logits(x, jt.array(labels))
    assert list(every.shape) == [4, 1 if agnostic else 5, 6, 6] and list(own.shape) == [4, 6, 6]
    column = np.where(agnostic, 0, labels - 1)
    expected = every.numpy()[np.arange(4), column] * (1 if agnostic else (labels > 0)[:, None, None])
    np.testing.assert_allclose(own.numpy(), expected, rtol=1e-4, atol=1e-5)
    mask = np.zeros(every.shape, np.float32)
    mask[np.arange(4), column] = wanted * (1 if agnostic else (labels > 0)[:, None, None])
    weights = [model.logits.weight, model.logits.bias, model.upsample.weight, model.convs[0].weight]
    of_all = [g.numpy() for g in jt.grad((every * jt.array(mask)).sum(), weights)]
    of_own = [g.numpy() for g in jt.grad((own * jt.array(wanted)).sum(), weights)]
    for got, right in zip(of_own, of_all):
        np.testing.assert_allclose(got, right, rtol=1e-3, atol=1e-4)


def test_the_loss_is_the_mean_over_the_masks_there_are():
    """Logits of 0 cost ln 2 a pixel; the second RoI, at 3 where nothing is wanted, has no mask."""
    logits = np.zeros((3, 2, 2), np.float32)
    logits[1], logits[2, 0, 0] = 3, 2
    targets = np.zeros((3, 2, 2), np.float32)
    targets[2, 0, 0] = 1
    losses = head().losses(jt.array(logits), jt.array(targets), jt.array(np.float32([1, 0, 1])))
    assert losses["loss_mask"].item() == pytest.approx((7 * np.log(2) + np.log1p(np.exp(-2.0))) / 8, rel=1e-5)
    none = head().losses(jt.array(logits), jt.array(targets), jt.zeros((3,)))
    assert none["loss_mask"].item() == 0


def test_a_softmax_is_refused():
    with pytest.raises(ValueError, match="loss_mask needs use_sigmoid=True"):
        FCNMaskHead(CrossEntropyLoss())
