"""The transformations are exact: pixels where they can be, boxes always."""

import numpy as np
import pytest

from jsra.paper import invariance


def a_mask(rng, height, width):
    mask = np.zeros((height, width), bool)
    y, x = np.mgrid[:height, :width]
    mask[((y - 0.4 * height) / (0.3 * height)) ** 2 + ((x - 0.55 * width) / (0.2 * width)) ** 2 < 1] = True
    mask &= rng.random((height, width)) < 0.9
    return mask


def test_quarter_turns_move_pixels_and_boxes_exactly(rng):
    image = rng.integers(0, 256, (20, 31, 3)).astype(np.uint8)
    mask = a_mask(rng, 20, 31)
    for angle, turns in ((90, -1), (180, 2), (270, 1), (0, 0)):
        turned, boxes = invariance.rotate(image, np.zeros((1, 4), np.float32), mask[None], angle)
        expected = np.rot90(image, turns)
        assert turned.shape == expected.shape
        # Bilinear sampling reads the pixel itself there, but for the outermost ones, which mix with the canvas.
        assert np.abs(turned[1:-1, 1:-1].astype(int) - expected[1:-1, 1:-1]).max() <= 1
        rows, columns = np.nonzero(np.rot90(mask, turns))
        assert boxes[0] == pytest.approx([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], abs=1e-4)


def test_turned_box_is_the_tightest(rng):
    mask = a_mask(rng, 40, 60)
    angle = float(rng.uniform(-180, 180))
    _, boxes = invariance.rotate(np.zeros((40, 60, 3), np.uint8), np.zeros((1, 4), np.float32), mask[None], angle)
    matrix, width, height = invariance.rotation_matrix(60, 40, angle)
    rows, columns = np.nonzero(mask)
    corners = np.concatenate([np.stack([columns + i, rows + j], 1) for i in (0, 1) for j in (0, 1)])
    points = corners @ matrix[:, :2].T + matrix[:, 2]
    assert boxes[0] == pytest.approx([*points.min(0), *points.max(0)], abs=1e-3)
    assert (boxes[0] >= -1e-3).all() and boxes[0][2] <= width + 1e-3 and boxes[0][3] <= height + 1e-3


def test_a_turned_object_lies_in_its_box(rng):
    """The pixels of a drawn square, after the turn, fill the box that the corners give."""
    image = np.zeros((50, 50, 3), np.uint8)
    image[15:30, 20:40] = 255
    mask = image[:, :, 0] > 0
    turned, boxes = invariance.rotate(image, np.zeros((1, 4), np.float32), mask[None], float(rng.uniform(-180, 180)))
    rows, columns = np.nonzero(turned[:, :, 0] > 127)
    assert boxes[0] == pytest.approx([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], abs=1.5)


def test_without_a_mask_the_corners_of_the_box_are_turned():
    boxes = np.array([[10, 10, 20, 30]], np.float32)
    _, turned = invariance.rotate(np.zeros((40, 40, 3), np.uint8), boxes, None, 90)
    assert turned[0] == pytest.approx([10, 10, 30, 20], abs=1e-4)  # x' = 40 - y, y' = x


def test_reflection(rng):
    image = rng.integers(0, 256, (8, 10, 3)).astype(np.uint8)
    mirrored, boxes = invariance.reflect(image, np.array([[1, 2, 4, 7]], np.float32))
    assert np.array_equal(mirrored, image[:, ::-1])
    assert boxes.tolist() == [[6, 2, 9, 7]]


def test_scale_and_pan_stay_within_their_limits(rng):
    boxes = np.tile(np.array([[10, 20, 50, 40]], np.float32), (500, 1))
    found = invariance.scale_and_pan(boxes, rng)
    ratio = (found[:, 2:] - found[:, :2]) / [40, 20]
    assert ratio.max() <= invariance.MAX_SCALE + 1e-4 and ratio.min() >= 1 / invariance.MAX_SCALE - 1e-4
    assert np.abs(ratio[:, 0] - ratio[:, 1]).max() < 1e-4
    shift = ((found[:, 2:] + found[:, :2]) / 2 - [30, 30]) / [40, 20]
    assert np.abs(shift).max() <= invariance.MAX_PAN + 1e-4 and np.abs(shift).max() > 0.8 * invariance.MAX_PAN


def test_cosine_by_hand():
    a, b = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [1.0, 0.0]])
    assert invariance.cosine(a, b) == pytest.approx([0.96, 0.0])
