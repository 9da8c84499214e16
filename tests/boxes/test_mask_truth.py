import numpy as np
import pytest

from jsra.boxes.mask_truth import mask_truth
from jsra.boxes.structures import Targets
from jsra.data.image import DataError
from jsra.data.masks import InstanceMasks

SQUARE = [[2, 3, 6, 3, 6, 5, 2, 5]]


def target(segmentations, **more):
    boxes = np.float32([[2, 3, 6, 5]] * len(segmentations))
    masks = InstanceMasks(segmentations, 20, 10)
    return dict(img_id=7, img_file="a.jpg", img_size=(20, 10), ori_img_size=(20, 10), bboxes=boxes,
                labels=[1] * len(boxes), masks=masks, **more)  # fmt: skip


def test_windows_of_a_batch():
    """Two objects, the second without a mask, and an image without objects, padded to a larger size."""
    truth = mask_truth(Targets([target([SQUARE, None]), target([], pad_shape=(32, 16))], True))
    assert truth.size == (16, 32)
    assert truth.has.numpy().tolist() == [[1, 0], [0, 0]]
    assert truth.places.numpy().tolist() == [[0, 2, 3, 4, 2], [8, 0, 0, 0, 0]] + [[0] * 5] * 2
    assert truth.bitmaps.numpy().tolist() == [1] * 8 + [0]


def test_bitmaps_are_taken_too():
    bitmaps = np.zeros((1, 10, 20), np.uint8)
    bitmaps[0, 3:5, 2:6] = 1
    truth = mask_truth(Targets([{**target([SQUARE]), "masks": bitmaps}], True))
    assert truth.places.numpy().tolist() == [[0, 2, 3, 4, 2]]


def test_an_empty_list_of_bitmaps():
    truth = mask_truth(Targets([target([SQUARE]), {**target([]), "masks": []}], True))
    assert truth.has.numpy().tolist() == [[1], [0]]


@pytest.mark.parametrize("masks, found", [(None, "no masks"), (InstanceMasks([SQUARE] * 2, 20, 10), "2 masks")])
def test_every_box_needs_one(masks, found):
    with pytest.raises(ValueError, match=f"image 7 has 1 bboxes and {found}.*dataset.train.with_masks=True"):
        mask_truth(Targets([{**target([SQUARE]), "masks": masks}], True))


@pytest.mark.parametrize("bad, message", [
    ([[1, 2, 3, 4]], "a polygon needs x and y of at least 3 points"),
    (dict(size=[5, 5], counts=[25]), r"an RLE of size \[5, 5\], the image has \[10, 20\]"),
])  # fmt: skip
def test_what_is_no_mask_is_named(bad, message):
    with pytest.raises(DataError, match=rf"a.jpg \(image id 7\), object 1: {message}"):
        mask_truth(Targets([target([SQUARE, bad])], True))
