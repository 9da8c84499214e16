import os

import numpy as np

from jsra.data.resize import resize_bilinear, resize_nearest

VECTORS = np.load(os.path.join(os.path.dirname(__file__), "resize_opencv.npz"))
CASES = range(len([k for k in VECTORS.files if k.startswith("image")]))


def test_bilinear_equals_opencv_within_a_grey_level():
    differences = []
    for i in CASES:
        expected = VECTORS[f"linear{i}"]
        got = resize_bilinear(VECTORS[f"image{i}"], expected.shape[1], expected.shape[0])
        differences.append(np.abs(got.astype(int) - expected.astype(int)).ravel())
        assert differences[-1].max() <= 1, i
    assert (np.concatenate(differences) > 0).mean() < 0.01


def test_nearest_equals_opencv():
    for i in CASES:
        expected = VECTORS[f"nearest{i}"]
        bitmaps = VECTORS[f"image{i}"][None, ..., 0]
        assert np.array_equal(resize_nearest(bitmaps, expected.shape[1], expected.shape[0])[0], expected), i


def test_same_size_is_a_copy(rng):
    image = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    out = resize_bilinear(image, 5, 6)
    assert np.array_equal(out, image)
    assert not np.shares_memory(out, image)


def test_shrinking_by_two_averages_neighbours():
    # Half-pixel centres: output x = 0 samples at 0.5, the mean of columns 0 and 1; rows likewise.
    image = np.array([[[0], [100], [10], [30]], [[100], [200], [20], [40]]], np.uint8).repeat(3, 2)
    assert resize_bilinear(image, 2, 1)[0, :, 0].tolist() == [100, 25]
