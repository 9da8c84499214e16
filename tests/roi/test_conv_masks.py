import jittor as jt
import numpy as np

from jsra.ops.reference.roi_align import roi_align as reference
from jsra.roi import ConvMasks
from tests.ops.rois import random_rois


def test_against_a_transcription(rng):
    features, rois = rng.standard_normal((2, 4, 12, 12)).astype("f"), random_rois(rng, 5, 2, 40, 40).astype("f")
    layer = ConvMasks((2, 3), 4, num_masks=5)
    state = {k: rng.standard_normal(tuple(v.shape)).astype("f") for k, v in layer.state_dict().items()}
    layer.load_state_dict(state)
    sampled = reference(features, rois, (2, 3), 0.25, 0, True)
    logits = (sampled.reshape(5, -1) @ state["conv.weight"].T + state["conv.bias"]).reshape(5, 6, 5)
    masks = np.exp(logits - logits.max(1, keepdims=True))
    masks /= masks.sum(1, keepdims=True)
    expected = np.einsum("kpn,kcp->kcn", masks, sampled.reshape(5, 4, 6))
    args = jt.array(features), jt.array(rois), 0.25
    assert np.abs(layer(*args).numpy() - expected).max() < 1e-4
    assert np.abs(layer.masks(*args).reshape(5, 5, 6) - masks.transpose(0, 2, 1)).max() < 1e-4


def test_parameters():
    """7 * 7 * 256 inputs, 49 * 49 outputs and a bias: 30.12 M."""
    assert sum(v.numel() for v in ConvMasks().state_dict().values()) == 2401 * (12544 + 1) == 30120545
