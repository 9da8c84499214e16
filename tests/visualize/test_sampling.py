import jittor as jt
import numpy as np
import pytest

import jsra.roi  # noqa: F401  (registers the layers)
from jsra.registry import build
from jsra.visualize import sampling
from jsra.visualize.sampling import draw_sampling, sampling_weights

CHANNELS, BOX = 4, (9.0, 6.0, 41.0, 50.0)
LAYERS = {
    "RoIAlign": dict(output_size=3),
    "PreciseRoIAlign": dict(output_size=3),
    "AdaptiveRoIAlign": dict(output_size=3, max_pool=False),
    "ModulatedDeformRoIPoolPack": dict(output_size=3, in_channels=CHANNELS, fc_channels=8),
    "ConvMasks": dict(output_size=3, in_channels=CHANNELS, sampling_ratio=1),
    "LearnedRegionFeatures": dict(in_channels=CHANNELS, num_parts=9, embed_channels=8, geometry_channels=4),
    "RoITransformer": dict(output_size=3, in_channels=CHANNELS),
    "SemanticRoIAlign": dict(in_channels=CHANNELS, num_masks=9, max_area=16, sampling_ratio=1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_weights_are_the_layer(name, rng, monkeypatch):
    """The common formula, y_k = sum over p of w_k(b, p, x) x(p), with random weights everywhere."""
    monkeypatch.setattr(sampling, "UNIT_MAPS", 100)  # of 182 cells
    layer = build(dict(type=name, **LAYERS[name]))
    layer.eval()
    for key, value in layer.state_dict().items():
        if "running" not in key:
            value.assign(jt.array((0.2 * rng.standard_normal(tuple(value.shape))).astype(np.float32)))
    features = rng.standard_normal((1, CHANNELS, 14, 13)).astype(np.float32)
    weights = sampling_weights(layer, jt.array(features), BOX, 0.25)
    out = layer(jt.array(features), jt.array([[0.0, *BOX]]), 0.25).numpy().reshape(CHANNELS, 9)
    assert np.abs(np.einsum("nhw,chw->cn", weights, features[0]) - out).max() < 1e-4


def test_picture(rng):
    image = rng.integers(0, 255, (56, 52, 3)).astype(np.uint8)
    weights = np.zeros((2, 14, 13), np.float32)
    weights[0, 7, 6] = weights[1, 3, 4] = 1
    picture = draw_sampling(image, BOX, weights, [0, 1], 4, margin=0.1, height=100)
    assert picture.dtype == np.uint8 and picture.shape[0] == 100
    parts = np.split(picture, [(picture.shape[1] - 8) // 3 + 2, 2 * (picture.shape[1] - 8) // 3 + 6], axis=1)
    warm = [(p[..., 0].astype(int) - p[..., 2] > 120).sum() for p in parts]
    assert warm[0] > 1.5 * warm[1] > 0 and warm[2] > 0
