import math

import jittor as jt
import numpy as np

from jsra.ops import roi_align
from jsra.ops.reference.deform_roi_pool import deform_roi_pool as reference
from jsra.roi import DeformRoIPoolPack, FPNRoIExtractor, ModulatedDeformRoIPoolPack
from tests.ops.rois import random_rois


def weights(module):
    return sum(math.prod(v.shape) for v in module.state_dict().values())


def test_parameters():
    """The 26.89 M of a pack: fc layers from 7 * 7 * 256 to 1024, and on to 1024 and 98 (offsets), to 49 (masks)."""
    first, second = (12544 + 1) * 1024, (1024 + 1) * 1024
    pack = ModulatedDeformRoIPoolPack()
    assert weights(pack) == first + second + 1025 * 98 + first + 1025 * 49 == 26892435
    assert weights(DeformRoIPoolPack()) == first + second + 1025 * 98
    assert set(pack.state_dict()) == {
        f"{branch}.{i}.{kind}"
        for branch, layers in (("offset_fc", (0, 2, 4)), ("mask_fc", (0, 2)))
        for i in layers
        for kind in ("weight", "bias")
    }


def test_starts_as_roi_align_and_half_of_it(rng):
    features, rois = jt.array(rng.standard_normal((2, 4, 12, 12)).astype("f")), random_rois(rng, 5, 2, 40, 40)
    rois = jt.array(rois.astype("f"))
    expected = roi_align(features, rois, 3, 0.25, 0, True).numpy()
    assert np.abs(DeformRoIPoolPack(3, 4, 8)(features, rois, 0.25).numpy() - expected).max() < 1e-5
    assert np.abs(ModulatedDeformRoIPoolPack(3, 4, 8)(features, rois, 0.25).numpy() - 0.5 * expected).max() < 1e-5


def test_against_a_transcription(rng):
    features, rois = rng.standard_normal((2, 4, 12, 12)).astype("f"), random_rois(rng, 5, 2, 40, 40).astype("f")
    pack = ModulatedDeformRoIPoolPack(3, 4, 8)
    state = {k: rng.standard_normal(tuple(v.shape)).astype("f") for k, v in pack.state_dict().items()}
    pack.load_state_dict(state)

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    flat = reference(features, rois, None, 3, 0.25).reshape(5, -1)
    offset = linear(np.maximum(linear(np.maximum(linear(flat, "offset_fc.0"), 0), "offset_fc.2"), 0), "offset_fc.4")
    mask = 1 / (1 + np.exp(-linear(np.maximum(linear(flat, "mask_fc.0"), 0), "mask_fc.2")))
    expected = reference(features, rois, offset.reshape(5, 2, 3, 3), 3, 0.25, mask=mask.reshape(5, 3, 3))
    got = pack(jt.array(features), jt.array(rois), 0.25).numpy()
    assert np.abs(got - expected).max() < 1e-4 * max(1, np.abs(expected).max())


def test_one_pack_a_level(rng):
    extractor = FPNRoIExtractor(
        ModulatedDeformRoIPoolPack(3, 4, 8),
        4,
        (4, 8),
        8,
        per_level=True,
    )
    single = weights(ModulatedDeformRoIPoolPack(3, 4, 8))
    assert weights(extractor) == 2 * single
    maps = [jt.array(rng.standard_normal((2, 4, n, n)).astype("f")) for n in (16, 8)]
    assert extractor(maps, jt.array(random_rois(rng, 5, 2, 40, 40).astype("f"))).shape == [5, 4, 3, 3]
