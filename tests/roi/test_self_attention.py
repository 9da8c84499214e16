import jittor as jt
import numpy as np

from jsra.ops.reference.roi_align import roi_align as reference
from jsra.roi import RoISelfAttention
from tests.ops.rois import random_rois


def test_against_a_transcription(rng):
    features, rois = rng.standard_normal((2, 4, 12, 12)).astype("f"), random_rois(rng, 5, 2, 40, 40).astype("f")
    layer = RoISelfAttention((2, 3), 4, num_heads=2, head_channels=5)
    state = {k: rng.standard_normal(tuple(v.shape)).astype("f") for k, v in layer.state_dict().items()}
    layer.load_state_dict(state)
    sampled = reference(features, rois, (2, 3), 0.25, 0, True)
    expected, attention = np.zeros_like(sampled), np.zeros((5, 2, 6, 6))
    for k in range(5):
        x = sampled[k].reshape(4, 6).T
        q, k_, v = np.split(x @ state["qkv.weight"].T + state["qkv.bias"], 3, axis=1)
        heads = []
        for h in range(2):
            part = slice(5 * h, 5 * h + 5)
            logits = q[:, part] @ k_[:, part].T / np.sqrt(5)
            weights = np.exp(logits - logits.max(1, keepdims=True))
            attention[k, h] = weights / weights.sum(1, keepdims=True)
            heads.append(attention[k, h] @ v[:, part])
        out = np.concatenate(heads, 1) @ state["proj.weight"].T + state["proj.bias"]
        expected[k] = out.T.reshape(4, 2, 3)
    args = jt.array(features), jt.array(rois), 0.25
    assert np.abs(layer(*args).numpy() - expected).max() < 1e-4
    assert np.abs(layer.masks(*args).reshape(5, 2, 6, 6) - attention).max() < 1e-4


def test_assumed_widths():
    """8 heads of 55 channels: with 300 RoIs 7.26 G multiply-adds more than RoI Align's 340.86, printed 348.1."""
    layer = RoISelfAttention()
    per_position = layer.qkv.weight.numel() + layer.proj.weight.numel() + 2 * 49 * 8 * 55
    assert round(340.86 + 300 * 49 * per_position / 1e9, 1) == 348.1
    assert round(41.753056 + sum(v.numel() for v in layer.state_dict().values()) / 1e6, 1) == 42.2
