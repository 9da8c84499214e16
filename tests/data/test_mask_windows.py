"""Masks in windows of their image are compared with bitmaps of the whole image, and with pycocotools' RLE of these."""

import numpy as np
import pytest

from jsra.data.mask_windows import to_rles, windows_of, windows_of_boxes
from jsra.data.masks import encode, to_bitmap

WIDTH, HEIGHT = 90, 70


def polygons(rng, count):
    """Stars of 3 to 12 points, some of them partly outside of the image."""
    found = []
    for _ in range(count):
        n = rng.integers(3, 13)
        angle, radius = np.sort(rng.uniform(0, 2 * np.pi, n)), rng.uniform(1, 40, n)
        x, y = rng.uniform(0, WIDTH) + radius * np.cos(angle), rng.uniform(0, HEIGHT) + radius * np.sin(angle)
        found.append([np.stack([x, y], 1).round(2).ravel().tolist()])
    return found


def whole(place, bitmaps):
    start, left, top, width, height = place
    out = np.zeros((HEIGHT, WIDTH), np.uint8)
    out[top : top + height, left : left + width] = bitmaps[start : start + width * height].reshape(width, height).T
    return out


def test_windows_hold_the_bitmaps_of_the_whole_image(rng):
    segmentations = polygons(rng, 40)
    segmentations += [polygons(rng, 3)[0] + polygons(rng, 1)[0], encode(to_bitmap(segmentations[0], WIDTH, HEIGHT)), None]
    segmentations += [[[200, 200, 210, 200, 205, 210]], dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH])]
    places, bitmaps = windows_of(segmentations, WIDTH, HEIGHT)
    for segmentation, place in zip(segmentations, places):
        expected = np.zeros((HEIGHT, WIDTH)) if segmentation is None else to_bitmap(segmentation, WIDTH, HEIGHT)
        assert np.array_equal(whole(place, bitmaps), expected)
        assert place[3:].tolist() == [len(np.trim_zeros(expected.any(axis))) for axis in (0, 1)]
    assert (places[-3:, 3:] == 0).all() and len(bitmaps) == (places[:, 3] * places[:, 4]).sum()


def test_windows_of_boxes():
    boxes = [[3.2, 4.9, 5.0, 7.1], [-9, -9, 4, 0.5], [80, 60, 500, 500], [95, 3, 99, 8], [5, 5, 5, 9]]
    places, total = windows_of_boxes(boxes, (WIDTH, HEIGHT))
    assert places.tolist() == [[0, 3, 4, 2, 4], [8, 0, 0, 4, 1], [12, 80, 60, 10, 10], [112, 90, 3, 0, 5], [112, 5, 5, 0, 0]]
    assert total == 112
    places, total = windows_of_boxes(np.zeros((0, 4)), np.zeros((0, 2)))
    assert places.shape == (0, 5) and total == 0
    places, _ = windows_of_boxes([boxes[2]] * 2, [(WIDTH, HEIGHT), (85, 200)])
    assert places[:, 1:].tolist() == [[80, 60, 10, 10], [80, 60, 5, 140]]


@pytest.mark.parametrize("box", [(3, 4, 20, 30), (0, 0, WIDTH, HEIGHT), (5, 0, 8, HEIGHT), (WIDTH - 4, HEIGHT - 3, 4, 3)])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 1.0])
def test_rle_is_that_of_the_whole_bitmap(box, share, rng):
    left, top, width, height = box
    bitmaps = (rng.uniform(0, 1, width * height) < share).astype(np.uint8)
    place = np.int32([[0, left, top, width, height]])
    assert to_rles(place, bitmaps, (WIDTH, HEIGHT)) == [encode(whole(place[0], bitmaps))]
