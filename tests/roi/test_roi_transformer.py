import jittor as jt
import numpy as np

from jsra.ops import roi_align
from jsra.ops.roi_align_rotated import roi_align_rotated
from jsra.roi import RoITransformer
from tests.ops.rois import random_rois


def test_starts_as_roi_align(rng):
    features, rois = jt.array(rng.standard_normal((2, 4, 12, 12)).astype("f")), random_rois(rng, 5, 2, 40, 40)
    rois = jt.array(rois.astype("f"))
    got = RoITransformer(3, 4)(features, rois, 0.25).numpy()
    assert np.abs(got - roi_align(features, rois, 3, 0.25, 2, True).numpy()).max() < 1e-5


def test_samples_the_rotated_box(rng):
    """What it samples through shifted bins is RoI Align on the rotated boxes that it names."""
    features, rois = jt.array(rng.standard_normal((2, 4, 20, 20)).astype("f")), random_rois(rng, 6, 2, 60, 60)
    rois, layer = jt.array(rois.astype("f")), RoITransformer((3, 2), 4, samples=2)
    layer.fc.bias.assign(jt.array(np.array([0.2, -0.1, 0.3, -0.4, 0.13], "f")))
    layer.fc.weight.assign(jt.array((0.01 * rng.standard_normal(tuple(layer.fc.weight.shape))).astype("f")))
    rotated = layer.rotated_rois(features, rois, 0.25)
    assert np.abs(rotated.numpy()[:, 5]).min() > 0.1
    expected = roi_align_rotated(features, rotated, (3, 2), 0.25, sampling_ratio=2).numpy()
    assert np.abs(layer(features, rois, 0.25).numpy() - expected).max() < 1e-4
