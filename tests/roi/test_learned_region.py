import jittor as jt
import numpy as np
import pytest

from jsra.roi import LearnedRegionFeatures
from jsra.roi.learned_region import sine_embedding
from tests.ops.rois import random_rois


def support_of(box, width, height, support, most_in, most_out):
    """The definition, cell by cell: box in cells -> a list of (x, y)."""
    x0, y0, x1, y1 = box

    def axis(low, high, size):
        first, end = int(np.floor(low)), max(int(np.ceil(high)), int(np.floor(low)) + 1)
        return max(first, 0), min(end, size)

    (xa, xb), (ya, yb) = axis(x0, x1, width), axis(y0, y1, height)
    if xa >= xb or ya >= yb:
        return []
    step_x = 1 if most_in is None else int(np.ceil((xb - xa) / np.sqrt(most_in)))
    step_y = 1 if most_in is None else int(np.ceil((yb - ya) / np.sqrt(most_in)))
    cells = [(x, y) for y in range(ya, yb, step_y) for x in range(xa, xb, step_x)]
    if support == "roi":
        return cells
    left, right, top, bottom = 0, width, 0, height
    if support == "double":
        cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) * np.sqrt(2), (y1 - y0) * np.sqrt(2)
        (left, right), (top, bottom) = axis(cx - w / 2, cx + w / 2, width), axis(cy - h / 2, cy + h / 2, height)
    step = 1 if most_out is None else int(np.ceil(np.sqrt((right - left) * (bottom - top) / most_out)))
    around = [(x, y) for y in range(top, bottom, step) for x in range(left, right, step)]
    return cells + [(x, y) for x, y in around if not (xa <= x < xb and ya <= y < yb)]


def transcribed(layer, state, features, rois, scale, width=16):
    """Equations 2, 7, 8, 9 with loops."""
    out = np.zeros((len(rois), features.shape[1], layer.num_parts))
    for r, roi in enumerate(rois):
        image, box = features[int(roi[0])].astype(float), roi[1:].astype(float) * scale
        cells = support_of(box, *image.shape[:0:-1], layer.support, layer.max_inside, layer.max_outside)
        if not cells:
            continue  # the box lies outside the map
        logits = np.zeros((len(cells), layer.num_parts))
        for i, (x, y) in enumerate(cells):
            if layer.geometry_on:
                parts = state["box_parts.weight"] @ (state["box_embed.weight"] @ sine_embedding(box, width).ravel())
                place = state["image_embed.weight"] @ sine_embedding(np.array([x + 0.5, y + 0.5]), width).ravel()
                logits[i] += parts.reshape(layer.num_parts, -1) @ place
            if layer.appearance_on:
                logits[i] += state["appearance.weight"] @ image[:, y, x]
        weights = np.exp(logits - logits.max(0))
        weights /= weights.sum(0)
        out[r] = sum(np.outer(image[:, y, x], weights[i]) for i, (x, y) in enumerate(cells))
    return out


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(support="roi", max_inside=9),
        dict(support="double", max_inside=9, max_outside=6),
        dict(max_inside=None, max_outside=None),
        dict(geometry=False),
        dict(appearance=False),
    ],
    ids=str,
)
def test_against_a_transcription(rng, settings):
    features, rois = rng.standard_normal((2, 4, 9, 11)).astype("f"), random_rois(rng, 5, 2, 30, 25).astype("f")
    settings = {"max_inside": 16, "max_outside": 12, **settings}
    layer = LearnedRegionFeatures(4, num_parts=3, embed_channels=16, geometry_channels=6, **settings)
    state = {k: rng.standard_normal(tuple(v.shape)).astype("f") * 0.3 for k, v in layer.state_dict().items()}
    layer.load_state_dict(state)
    got = layer(jt.array(features), jt.array(rois), 0.25).numpy()
    expected = transcribed(layer, state, features, rois, 0.25)
    assert np.abs(got - expected).max() < 1e-4
    for (cells, weights), roi in zip(layer.weights(jt.array(features), jt.array(rois), 0.25), rois):
        support = support_of(roi[1:] * 0.25, 11, 9, layer.support, layer.max_inside, layer.max_outside)
        assert sorted(map(tuple, cells.tolist())) == sorted(support)
        assert not support or np.abs(weights.sum(1) - 1).max() < 1e-5


def test_sampling_maxima(rng):
    """At most 14 x 14 positions inside, and about 196 of a map outside; an RoI that misses the map, 320 x 200, has none."""
    features = jt.zeros((1, 4, 50, 80))
    rois = np.concatenate([random_rois(rng, 20, 1, 300, 190, 1, 300), [[0, 900, 900, 950, 950]]]).astype("f")
    layer = LearnedRegionFeatures(4, num_parts=2, embed_channels=8, geometry_channels=4)
    found = layer.weights(features, jt.array(rois), 0.25)
    hits = (rois[:, 1:3] < (320, 200)).all(1) & (rois[:, 3:] > 0).all(1)
    assert all(0 < len(cells) <= 196 + 14 * 17 for (cells, _), hit in zip(found, hits) if hit) and len(found[-1][0]) == 0
    assert all(len(set(map(tuple, cells.tolist()))) == len(cells) for cells, _ in found)


def test_embedding_by_hand():
    """Width 4: wavelengths 1000^0 = 1 and 1000^(1/2)."""
    z = 2.0
    expected = [np.sin(z), np.cos(z), np.sin(z / 1000**0.5), np.cos(z / 1000**0.5)]
    assert np.allclose(sine_embedding(np.array([z]), 4), [expected])


def test_bad_settings():
    with pytest.raises(ValueError, match="support must be one of roi, double, image, got 'all'"):
        LearnedRegionFeatures(support="all")
    with pytest.raises(ValueError, match="both off"):
        LearnedRegionFeatures(geometry=False, appearance=False)
