import jittor as jt
import numpy as np
import pytest

from jsra.roi.enlarged_roi import EnlargedRoI
from jsra.roi.roi_align import RoIAlign


def test_four_times_the_area_is_twice_each_side(rng):
    x = jt.array(rng.standard_normal((1, 3, 12, 14)).astype(np.float32))
    layer, rois = RoIAlign(3), np.float32([[0, 4, 6, 8, 8], [0, 2, 3, 9, 7]])
    doubled = np.float32([[0, 2, 5, 10, 9], [0, -1.5, 1, 12.5, 9]])
    got = EnlargedRoI(layer, area=4.0)(x, jt.array(rois), 1.0).numpy()
    np.testing.assert_allclose(got, layer(x, jt.array(doubled), 1.0).numpy(), atol=1e-5)


def test_no_area_is_refused():
    with pytest.raises(ValueError, match="EnlargedRoI: area must be positive, got 0"):
        EnlargedRoI(RoIAlign(3), area=0)
