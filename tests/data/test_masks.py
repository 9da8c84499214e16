"""Annotated masks after every change of the image."""

import numpy as np
import pytest

from jsra.data.masks import InstanceMasks, encode, to_rle

WIDTH, HEIGHT = 40, 30
TRIANGLE = [[4.0, 2.0, 24.0, 2.0, 4.0, 22.0]]
TWO_PARTS = [[0, 0, 10, 0, 10, 10, 0, 10], [30, 20, 40, 20, 40, 30, 30, 30]]


def rle():
    bitmap = np.zeros((HEIGHT, WIDTH), np.uint8)
    bitmap[5:15, 8:30] = 1
    return encode(bitmap)


@pytest.fixture
def masks():
    return InstanceMasks([TRIANGLE, rle(), TWO_PARTS, None], WIDTH, HEIGHT)


def box(bitmap):
    y, x = np.nonzero(bitmap)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]


def test_bitmaps(masks):
    bitmaps = np.asarray(masks)
    assert bitmaps.shape == (4, HEIGHT, WIDTH) and bitmaps.dtype == np.uint8
    assert box(bitmaps[1]) == [8, 5, 30, 15] and bitmaps[1].sum() == 220
    assert bitmaps[2].sum() == 200 and not bitmaps[3].any()
    assert np.array_equal(np.asarray(InstanceMasks.of_bitmaps(bitmaps)), bitmaps)


def test_resize(masks):
    larger = masks.resize(80, 90)
    assert larger.segmentations[0] == [[8, 6, 48, 6, 8, 66]]  # polygons by the true ratio of each axis, exactly
    bitmaps = np.asarray(larger)
    assert bitmaps.shape == (4, 90, 80) and box(bitmaps[1]) == [16, 15, 60, 45] and box(bitmaps[2]) == [0, 0, 80, 90]
    assert larger.resize(WIDTH, HEIGHT).segmentations[0] == TRIANGLE


@pytest.mark.parametrize("horizontal, vertical", [(True, False), (False, True), (True, True), (False, False)])
def test_flip(masks, horizontal, vertical):
    axes = [axis for axis, wanted in ((1, vertical), (2, horizontal)) if wanted]
    flipped = masks.flip(horizontal, vertical)
    squares = [1, 2, 3]  # a slanted edge is not rasterised alike from both sides
    assert np.array_equal(np.asarray(flipped)[squares], np.flip(np.asarray(masks), axes)[squares])
    assert flipped.flip(horizontal, vertical).segmentations[0] == TRIANGLE


def test_crop_and_pad(masks):
    cut = masks.crop(20, 10, 20, 20)
    assert np.array_equal(np.asarray(cut)[1:], np.asarray(masks)[1:, 10:, 20:])
    assert cut.segmentations[0] == [[-16, -8, 4, -8, -16, 12]]
    assert np.array_equal(np.asarray(masks.pad(3, 5)), np.pad(np.asarray(masks), ((0, 0), (0, 5), (0, 3))))


def test_nothing_of_a_crop_comes_back_when_it_is_padded():
    """A polygon that exceeds the window must not fill the columns and rows that Pad adds."""
    polygons = InstanceMasks([[[2, 2, 18, 2, 18, 9, 2, 9]], [[1, 1, 4, 1, 4, 3]]], 20, 10)
    padded = polygons.crop(0, 0, 8, 6).pad(5, 4)
    bitmaps = np.asarray(padded)
    assert bitmaps.shape == (2, 10, 13) and bitmaps[0].sum() == bitmaps[0, 2:6, 2:8].sum() == 24
    assert padded.segmentations[1] == [[1, 1, 4, 1, 4, 3]]  # one inside is a polygon still


def test_polygons_may_be_arrays():
    """Those of a user's own data set."""
    lists, arrays = InstanceMasks([TRIANGLE], WIDTH, HEIGHT), InstanceMasks([[np.array(TRIANGLE[0])]], WIDTH, HEIGHT)
    for change in (lambda masks: masks, lambda masks: masks.resize(80, 60), lambda masks: masks.flip(True, False)):
        np.testing.assert_array_equal(np.asarray(change(arrays)), np.asarray(change(lists)))


def test_select(masks):
    assert masks.select(np.array([True, False, False, True])).segmentations == [TRIANGLE, None]
    assert np.asarray(masks.select([False] * 4)).shape == (0, HEIGHT, WIDTH)


@pytest.mark.parametrize("bad", [float("nan"), 1e12, -1e12, float("inf"), "3"])
def test_a_coordinate_that_would_fill_the_memory_is_refused(bad):
    with pytest.raises(ValueError, match="coordinate that is not a number of pixels"):
        to_rle([[1, 1, 9, 1, bad, 9]], WIDTH, HEIGHT)


def test_an_outline_that_would_fill_the_memory_is_refused():
    """One that goes to and fro: the rasteriser stores each of its pixels."""
    far = [v for i in range(6) for v in ((0, 0) if i % 2 else (999_999, 999_990 - i))]
    assert to_rle([far], WIDTH, HEIGHT)["size"] == [HEIGHT, WIDTH]
    with pytest.raises(ValueError, match=r"a polygon has an outline of more than 1e\+07 pixels"):
        to_rle([far * 3], WIDTH, HEIGHT)
    near = [v for i in range(30_000) for v in (999_000 + i % 2, 999_000)]
    assert to_rle([near], WIDTH, HEIGHT)["size"] == [HEIGHT, WIDTH]


@pytest.mark.parametrize("bad, words", [
    (dict(size=[HEIGHT, WIDTH]), "counts cannot be read: None"),
    (dict(size=[HEIGHT, WIDTH], counts={"a": 1}), "counts cannot be read: {'a': 1}"),
    (dict(size=[HEIGHT, WIDTH], counts=""), "an RLE of 0 pixels, the image has 1200"),
    (dict(size=[HEIGHT, WIDTH], counts=[]), "an RLE of 0 pixels, the image has 1200"),
    (dict(size=[HEIGHT, WIDTH], counts=[5, 10]), "an RLE of 15 pixels, the image has 1200"),
    (dict(size=[HEIGHT, WIDTH], counts=[-5, 1205]), "counts cannot be read"),
    (dict(size=[WIDTH, HEIGHT], counts=[1200]), r"RLE of size \[40, 30\], the image has \[30, 40\]"),
    ([[1, 2, 3, 4]], "at least 3 points"),
    ([[1, 2, 3, 4, 5, 6, 7]], "at least 3 points"),
    ([[1, 2], [9, 2]], "at least 3 points"),
    ([1, 2, 9, 2, 9, 8], r"polygons, each one list of numbers, \[\[x0, .*, not \[1, 2, 9, 2, 9, 8\]"),
    ([[1, 2], [9, 2], [9, 8]], "each one list of numbers"),
    ([[[1, 2], [9, 2], [9, 8]]], "each one list of numbers"),
    ([], "a list of polygons or an RLE"),
    ("text", "a list of polygons or an RLE"),
])  # fmt: skip
def test_what_is_no_segmentation_is_refused(bad, words):
    """Some of these pycocotools would read beyond their end."""
    with pytest.raises(ValueError, match=words):
        to_rle(bad, WIDTH, HEIGHT)
