import jittor as jt
import numpy as np
import pytest

from jsra.boxes.anchors import AnchorGenerator


def test_base_anchors_by_hand():
    """Stride 4, scale 8: area 32 x 32. Ratio 0.5: height 32 sqrt(0.5) = 22.63, width 45.25; ratio 1; ratio 2 transposed."""
    generator = AnchorGenerator(strides=[4], scales=[8], ratios=[0.5, 1.0, 2.0])
    assert generator.num_base_anchors == 3
    wide = [-22.627417, -11.313708, 22.627417, 11.313708]
    tall = [wide[1], wide[0], wide[3], wide[2]]
    np.testing.assert_allclose(generator.base_anchors[0], [wide, [-16, -16, 16, 16], tall], rtol=1e-6)


def test_order_is_rows_then_anchors():
    generator = AnchorGenerator(strides=[8, 16], scales=[1, 2], ratios=[1.0])
    grids = generator.grids([(2, 3), (1, 1)])
    first, second = grids.numpy()[:12], grids.numpy()[12:]
    assert second.shape == (2, 4)
    np.testing.assert_allclose(first[0], [-4, -4, 4, 4])
    np.testing.assert_allclose(first[1], [-8, -8, 8, 8])
    np.testing.assert_allclose(first[2], [4, -4, 12, 4])  # next column: 8 pixels to the right
    np.testing.assert_allclose(first[6], [-4, 4, 4, 12])  # next row
    np.testing.assert_allclose(second, [[-8, -8, 8, 8], [-16, -16, 16, 16]])
    assert generator.grids([[2, 3], [1, 1]]) is grids


def test_valid_positions_of_a_smaller_image():
    generator = AnchorGenerator(strides=[8, 16], scales=[1], ratios=[1.0])
    (valid,) = generator.valid([(4, 4), (2, 2)], jt.array(np.int32([[17, 32]]))).numpy()
    np.testing.assert_array_equal(valid[:16].reshape(4, 4), np.tile([True, True, True, False], (4, 1)))
    np.testing.assert_array_equal(valid[16:], [True, True, True, True])


def test_octaves_rounding_and_offset():
    octaves = AnchorGenerator(strides=[8], ratios=[1.0], octave_base_scale=4, scales_per_octave=3)
    np.testing.assert_allclose(octaves.scales, [4, 4 * 2 ** (1 / 3), 4 * 2 ** (2 / 3)], rtol=1e-6)
    whole = AnchorGenerator(strides=[4], scales=[8], ratios=[0.5], round_sides=True)
    np.testing.assert_array_equal(whole.base_anchors[0], [[-23, -11, 23, 11]])
    centred = AnchorGenerator(strides=[4], scales=[1], ratios=[1.0], center_offset=0.5)
    np.testing.assert_array_equal(centred.base_anchors[0], [[0, 0, 4, 4]])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="scales"):
        AnchorGenerator(strides=[4], ratios=[1.0])
    with pytest.raises(ValueError, match="2 strides but was given 1"):
        AnchorGenerator(strides=[4, 8], scales=[8], ratios=[1.0]).grids([(1, 1)])
    with pytest.raises(ValueError, match="base_sizes"):
        AnchorGenerator(strides=[4, 8], scales=[8], ratios=[1.0], base_sizes=[4])


@pytest.mark.parametrize("octaves", [dict(octave_base_scale=4, scales_per_octave=3), dict(octave_base_scale=4)])
def test_scales_and_octaves_exclude_one_another(octaves):
    with pytest.raises(ValueError, match="scales, or octave_base_scale and scales_per_octave, not both"):
        AnchorGenerator(strides=[8], scales=[4], ratios=[1.0], **octaves)
