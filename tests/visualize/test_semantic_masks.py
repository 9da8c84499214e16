import numpy as np

from jsra.visualize.semantic_masks import draw_semantic_masks, heat, most_telling, overlay


def test_heat_ends():
    np.testing.assert_array_equal(heat(np.array([[0.0, 1.0]]))[0], [[0, 0, 90], [215, 0, 0]])


def test_overlay_is_warm_where_the_mask_samples():
    image = np.full((80, 80, 3), 120, np.uint8)
    mask = np.zeros((4, 2))
    mask[0, 1] = 1.0  # top right block of a 4 x 2 grid
    out = overlay(image, [20, 20, 60, 60], mask).astype(int)
    assert out[22, 55, 0] > 150 and out[22, 55, 2] < 60, "red in the sampled block"
    assert out[55, 25].std() < 2 and out[55, 25, 0] < 120, "grey and dimmed where the mask does not sample"
    assert (out[5, 5] == 66).all(), "darker outside the box"


def test_most_telling_prefers_sharp_and_different_masks():
    def masks(size):
        spot, flat = np.eye(size), np.full(size, 1 / size)
        return np.stack([flat, spot[1], spot[1], 0.5 * spot[5] + 0.5 * flat, spot[2]])

    found = [masks(8).reshape(5, 2, 4), masks(9).reshape(5, 3, 3)]
    assert most_telling(found, 3) == [1, 3, 4]
    assert most_telling(found, 2) == [1, 4]
    assert most_telling(found, 5) == [0, 1, 2, 3, 4]


def test_sheet_has_a_row_per_roi_and_a_column_per_mask(rng):
    image = rng.integers(0, 255, (90, 120, 3)).astype(np.uint8)
    boxes = [[10, 10, 60, 80], [-5, 30, 130, 95], [50, 50, 50.5, 50.5]]
    masks = [rng.dirichlet(np.ones(h * w), 10).reshape(10, h, w) for h, w in ((8, 8), (5, 12), (8, 8))]
    sheet = draw_semantic_masks(image, boxes, masks, [0, 3], side=50)
    assert sheet.shape == (3 * 74 - 6, 3 * 56 - 6, 3)


def test_many_masks_go_on_in_lines(rng):
    image = rng.integers(0, 255, (90, 120, 3)).astype(np.uint8)
    masks = [rng.dirichlet(np.ones(16), 14).reshape(14, 4, 4)] * 2
    sheet = draw_semantic_masks(image, [[10, 10, 60, 80]] * 2, masks, list(range(14)), side=50)
    assert sheet.shape == (4 * 74 - 6, 13 * 56 - 6, 3)
    assert sheet[74 + 18 : 2 * 74, 3 * 56 : 4 * 56].min() == 255, "two masks in the second line, under the first two"
