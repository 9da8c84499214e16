"""Common properties of all RoI feature extractors, on maps with 8 channels and 3 x 3 (or 9) features."""

import jittor as jt
import numpy as np
import pytest

import jsra.roi  # noqa: F401  (registers the layers)
from jsra.registry import build
from tests.ops.rois import DEGENERATE, random_rois

CHANNELS = 8
LAYERS = {
    "RoIPool": dict(output_size=3),
    "RoIAlign": dict(output_size=3),
    "DeformRoIPoolPack": dict(output_size=3, in_channels=CHANNELS, fc_channels=16),
    "ModulatedDeformRoIPoolPack": dict(output_size=3, in_channels=CHANNELS, fc_channels=16),
    "AdaptiveRoIAlign": dict(output_size=3),
    "PreciseRoIAlign": dict(output_size=3),
    "RoIAttention": dict(output_size=3, in_channels=CHANNELS, num_tokens=4),
    "ConvMasks": dict(output_size=3, in_channels=CHANNELS),
    "RoISelfAttention": dict(output_size=3, in_channels=CHANNELS, num_heads=2, head_channels=4),
    "LearnedRegionFeatures": dict(in_channels=CHANNELS, num_parts=9, embed_channels=16, geometry_channels=8),
    "RoITransformer": dict(output_size=3, in_channels=CHANNELS),
    "SemanticRoIAlign": dict(
        in_channels=CHANNELS, num_masks=9, max_area=16, descriptor_channels=8, semantic_channels=8, hidden_channels=16
    ),
}


def make(name, **more):
    jt.set_global_seed(0)
    return build(dict(type=name, **{**LAYERS[name], **more}))


def maps_of(rng, *sizes):
    return [jt.array(rng.standard_normal((2, CHANNELS, *size)).astype(np.float32)) for size in sizes]


@pytest.mark.parametrize("name", LAYERS)
def test_interface(name, rng):
    """A pyramid gives what its levels give one by one; nothing for no RoIs; zeros for a box that is no box."""
    layer = make(name)
    layer.eval()
    maps, scales = maps_of(rng, (16, 18), (8, 9)), [0.25, 0.125]
    good = random_rois(rng, 6, 2, 60, 50).astype(np.float32)
    levels = np.array([0, 0, 0, 1, 1, 1], np.int32)
    if name == "RoIAttention":
        good[:, 0] = levels  # its RoIs speak with those of their image, which must be the same ones in both calls
    together = layer(maps, jt.array(good), scales, jt.array(levels)).numpy()
    assert together.shape[:2] == (6, CHANNELS) and np.prod(together.shape[2:]) == 9
    apart = [layer(m, jt.array(good[levels == i]), s).numpy() for i, (m, s) in enumerate(zip(maps, scales))]
    assert np.abs(together - np.concatenate(apart)).max() < 1e-5
    assert layer(maps[0], jt.array(good[:0]), 0.25).shape[0] == 0
    bad = layer(maps[0], jt.array(DEGENERATE.astype(np.float32)), 0.25).numpy()
    if name in ("RoIAttention", "RoISelfAttention"):
        assert np.isfinite(bad).all()  # they add to the zeros that they are given what they learned
    else:
        assert (bad == 0).all()


class Tiny(jt.nn.Module):
    """A backbone of two convolutions, an RoI layer and a classifier of 4 classes."""

    def __init__(self, layer):
        super().__init__()
        self.conv1 = jt.nn.Conv(3, CHANNELS, 3, stride=2, padding=1)
        self.conv2 = jt.nn.Conv(CHANNELS, CHANNELS, 3, stride=2, padding=1)
        self.layer = layer
        self.classify = jt.nn.Linear(CHANNELS * 9, 4)

    def execute(self, images, rois):
        features = self.conv2(jt.nn.relu(self.conv1(images)))
        return self.classify(self.layer(features, rois, 0.25).reshape(rois.shape[0], -1))


@pytest.mark.parametrize("name", LAYERS)
def test_overfits_eight_images(name):
    """Random labels of 16 boxes in 8 random images of 32 x 32: the loss falls to a tenth, and every weight has moved."""
    rng = np.random.default_rng(0)
    images = jt.array(rng.standard_normal((8, 3, 32, 32)).astype(np.float32))
    rois = random_rois(rng, 16, 8, 14, 14, low=8, high=18).astype(np.float32)
    rois[:, 0] = np.arange(16) // 2
    rois, labels = jt.array(rois), jt.array(rng.integers(0, 4, 16).astype(np.int32))
    model = Tiny(make(name))
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    # With 0.02, the rotated boxes of RoITransformer may leave the maps after the loss has fallen.
    optimizer, losses = jt.optim.Adam(model.parameters(), lr=0.005), []
    for _ in range(80):
        loss = jt.nn.cross_entropy_loss(model(images, rois), labels)
        optimizer.step(loss)
        losses.append(float(loss.numpy()[0]))
    assert losses[-1] < 0.1 * losses[0], f"{name}: the loss went from {losses[0]:.3f} to {losses[-1]:.3f}"
    still = [k for k, v in model.state_dict().items() if "running" not in k and np.array_equal(before[k], v.numpy())]
    # The softmax over positions does not see what is added to all of them.
    assert set(still) <= {"layer.fc2.bias"}, f"{name}: {still} did not move"


def test_learned_region_features_in_float64(rng):
    """Its embeddings have the type of the weights: Jittor's product of float32 and float64 ends with an error."""
    layer = make("LearnedRegionFeatures")
    maps, rois = rng.standard_normal((2, CHANNELS, 6, 8)), jt.array(random_rois(rng, 3, 2, 60, 50).astype(np.float32))
    single = layer(jt.array(maps.astype(np.float32)), rois, 0.125).numpy()
    for weight in layer.parameters():
        weight.assign(weight.float64())
    with jt.flag_scope(auto_convert_64_to_32=0):
        double = layer(jt.array(maps), rois, 0.125).numpy()
    assert double.dtype == np.float64 and np.abs(double - single).max() < 1e-5
