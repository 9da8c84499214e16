import jittor as jt
import numpy as np

from jsra.ops.reference.roi_align import roi_align as reference
from jsra.roi import RoIAttention
from tests.ops.rois import random_rois


def transcribed(x, images, state, depth):
    """The definition, image by image."""
    for i in range(depth):
        out = x.copy()
        for image in np.unique(images):
            rows = images == image
            logits = x[rows] @ state[f"blocks.{i}.M_k.weight"].T
            attention = np.exp(logits) / np.exp(logits).sum(0)
            attention = attention / attention.sum(1, keepdims=True)
            out[rows] += attention @ state[f"blocks.{i}.M_v.weight"].T
        x = out
    return x


def test_against_a_transcription(rng):
    features, rois = rng.standard_normal((3, 4, 12, 12)).astype("f"), random_rois(rng, 7, 3, 40, 40).astype("f")
    rois[:, 0] = [2, 0, 0, 2, 1, 0, 2]  # images in any order
    layer = RoIAttention(3, 4, num_tokens=5)
    state = {k: 0.3 * rng.standard_normal(tuple(v.shape)).astype("f") for k, v in layer.state_dict().items()}
    layer.load_state_dict(state)
    x = reference(features, rois, 3, 0.25, 0, True).reshape(7, -1)
    expected = transcribed(x, rois[:, 0], state, 2)
    got = layer(jt.array(features), jt.array(rois), 0.25).numpy().reshape(7, -1)
    assert np.abs(got - expected).max() < 1e-4


def test_what_is_no_roi_gets_zeros_and_gives_no_attention(rng):
    layer, features = RoIAttention(2, 4, num_tokens=5), jt.array(rng.standard_normal((2, 4, 12, 12)).astype("f"))
    rois = random_rois(rng, 6, 2, 40, 40).astype("f")
    none = np.array([[-1, 1, 1, 9, 9], [2, 1, 1, 9, 9], [np.nan, 1, 1, 9, 9]], "f")
    mixed = np.concatenate([rois[:2], none, rois[2:]])
    expected, out = layer(features, jt.array(rois), 0.25), layer(features, jt.array(mixed), 0.25)
    real = [0, 1, 5, 6, 7, 8]
    np.testing.assert_allclose(out.numpy()[real], expected.numpy(), atol=1e-5)
    assert np.abs(out.numpy()[2:5]).max() == 0
    names, weights = zip(*layer.state_dict().items())
    cotangent = rng.standard_normal(out.shape).astype("f")
    losses = (expected * jt.array(cotangent[real])).sum(), (out * jt.array(cotangent)).sum()
    alone, with_none = (jt.fetch_sync(jt.grad(loss, list(weights))) for loss in losses)
    for name, a, b in zip(names, alone, with_none):
        np.testing.assert_allclose(b, a, atol=1e-4 * np.abs(a).max(), err_msg=name)


def test_published_size():
    """Depth 2, 40 tokens, no biases: 4 * 40 * 12544 weights."""
    assert sum(v.numel() for v in RoIAttention().state_dict().values()) == 4 * 40 * 12544
