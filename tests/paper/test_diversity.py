import numpy as np
import pytest

from jsra.paper import diversity


def test_similarities_by_hand():
    masks = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    half = np.sqrt(0.5)
    assert diversity.similarities(masks) == pytest.approx([half, 0.0, half])


def test_kl_by_hand():
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    expected = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    assert diversity.kl(p, q) == pytest.approx(expected, abs=1e-6)
    other = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    assert diversity.kl_between_parts(np.stack([p, q])) == pytest.approx((expected + other) / 2, abs=1e-6)


def test_effective_positions_by_hand():
    """A mask of one position, a flat one of four, and 1/2, 1/4, 1/4: exp of an entropy of 1.5 ln 2."""
    masks = np.array([[0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.25, 0.25, 0]])
    assert diversity.effective_positions(masks) == pytest.approx((1 + 4 + 2**1.5) / 3, abs=1e-5)


def test_equal_masks_do_not_differ(rng):
    masks = np.tile(rng.random(12), (5, 1))
    assert diversity.kl_between_parts(masks) == pytest.approx(0.0, abs=1e-9)
    assert diversity.similarities(masks) == pytest.approx(np.ones(10))


def test_mask_on_the_grid_of_a_box():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:4] = True
    # The box [2, 2, 6, 6] in 2 x 2 blocks: the left two lie in the object.
    assert diversity.on_grid(mask, [2, 2, 6, 6], (2, 2)).tolist() == [[1, 0], [1, 0]]
