import numpy as np
from pycocotools import mask as rle

from jsra.visualize.detections import color, draw_detections


def result(*rows):
    boxes, scores, labels = zip(*rows) if rows else ((), (), ())
    return dict(
        boxes=np.array(boxes, np.float32).reshape(-1, 4), scores=np.array(scores), labels=np.array(labels, np.int32),
        names=[f"thing {label}" for label in labels],
    )  # fmt: skip


def test_outline_lies_on_the_box_and_threshold_holds():
    image = np.full((200, 300, 3), 128, np.uint8)
    drawn = draw_detections(image, result(([100, 80, 220, 150], 0.9, 1), ([10, 10, 50, 50], 0.3, 2)), threshold=0.5)
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    for x, y in ((100, 120), (220, 120), (160, 150)):
        assert tuple(drawn[y, x]) == color(1)
    assert (drawn[10:50, 10:50] == 128).all(), "a score below the threshold is not drawn"
    assert (drawn[100:140, 110:200] == 128).all(), "the inside stays"
    assert (image == 128).all(), "the input stays"


def test_boxes_outside_and_inverted_do_not_fail():
    image = np.zeros((40, 60, 3), np.uint8)
    boxes = [[-50, -50, -10, -10], [100, 100, 200, 200], [30, 30, 10, 10], [0, 0, 60, 40]]
    assert draw_detections(image, result(*((box, 0.9, i + 1) for i, box in enumerate(boxes)))).shape == image.shape
    np.testing.assert_array_equal(draw_detections(image, result()), image)


def test_masks_tint_their_pixels():
    image = np.full((60, 80, 3), 100, np.uint8)
    inside = np.zeros((60, 80), np.uint8, order="F")
    inside[20:40, 30:50] = 1
    found = result(([30, 20, 50, 40], 0.9, 4))
    found["masks"] = [rle.encode(inside)]
    drawn = draw_detections(image, found)
    np.testing.assert_allclose(drawn[30, 40], 50 + 0.5 * np.array(color(4)), atol=1)
    assert tuple(drawn[55, 70]) == (100, 100, 100)


def test_colours_of_neighbours_differ():
    for i in range(20):
        assert np.abs(np.array(color(i), int) - color(i + 1)).sum() > 100
