"""with_cp: the same gradients from fewer arrays."""

import gc

import jittor as jt
import numpy as np
import pytest

from jsra.backbones.intern_image import InternImage
from jsra.backbones.pvt import PVTv2
from jsra.backbones.swin import SwinTransformer
from jsra.backbones.vit_adapter import ViTAdapter
from jsra.runtime.seed import get_rng_state, set_seed
from tests.backbones import test_internimage, test_pvt, test_swin, test_vit_adapter

SMALL = {
    SwinTransformer: dict(test_swin.SMALL, window_size=3),
    PVTv2: test_pvt.SMALL,
    InternImage: test_internimage.SMALL,
    ViTAdapter: test_vit_adapter.SMALL,
}


def step(backbone, with_cp, seed=3):
    """(maps and all gradients, arrays that are live after the forward pass, the next random number) of half of the depth."""
    set_seed(seed)
    model = backbone(**{**SMALL[backbone], "drop_path_rate": 0.5}, with_cp=with_cp)
    model.train()
    image = jt.array(np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32))
    jt.sync_all()
    gc.collect()
    before = jt.number_of_lived_vars()
    maps = model(image)
    jt.sync(list(maps))
    live = jt.number_of_lived_vars() - before
    weights = [p for p in model.parameters() if not p.is_stop_grad()]
    factors = [jt.array(np.random.default_rng(i).standard_normal(m.shape).astype(np.float32)) for i, m in enumerate(maps)]
    gradients = jt.grad(sum(((m * f).sum() for m, f in zip(maps, factors)), jt.zeros(1)), [image, *weights])
    return [v.numpy() for v in (*maps, *gradients)], live, get_rng_state()


@pytest.mark.parametrize("backbone", SMALL, ids=lambda c: c.__name__)
def test_the_same_gradients_from_fewer_arrays(backbone):
    expected, all_live, state = step(backbone, with_cp=False)
    found, live, state_after = step(backbone, with_cp=True)
    assert len(found) == len(expected) and live < all_live / 2
    for a, b in zip(found, expected):  # Jittor fuses and rounds in another order
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1.0))
    assert state_after == state
    other, _, _ = step(backbone, with_cp=False, seed=4)
    assert any((a != b).any() for a, b in zip(other, expected))


def test_without_gradients_it_is_the_block(rng):
    model = PVTv2(**test_pvt.SMALL, with_cp=True).eval()
    image = jt.array(rng.standard_normal((1, 3, 32, 32), np.float32))
    with jt.no_grad():
        found = model(image)
    for a, b in zip(found, model(image)):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
