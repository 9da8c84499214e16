import jittor as jt
import numpy as np
import pytest

from jsra.ops.ps_roi_align import ps_roi_align
from jsra.ops.ps_roi_pool import ps_roi_pool
from jsra.ops.reference.ps_roi_align import ps_roi_align as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


class TestPSRoIAlign(OperatorTester):
    op = staticmethod(ps_roi_align)
    reference = staticmethod(reference)
    vectors = "ps_roi_align.npz"

    def cases(self, rng):
        features, rois = rng.standard_normal((2, 12, 13, 17)), random_rois(rng, 6, 2, 60, 50)
        settings = dict(output_size=(3, 2), spatial_scale=0.25)
        levels = [rng.standard_normal((2, 24, 15, 16)), rng.standard_normal((2, 24, 8, 8))]
        return [
            Case("adaptive", (features, rois), settings),
            Case("two samples", (features, rois), dict(settings, sampling_ratio=2)),
            # The reference would take for ever for the last ones, which are as large as numbers get.
            Case("degenerate", (features, DEGENERATE[:11]), settings),
            Case("empty", (features, EMPTY), settings),
            Case("empty, two samples", (features, EMPTY), dict(settings, sampling_ratio=2)),
            Case(
                "missing levels",
                (levels, rois),
                dict(settings, spatial_scale=[0.25, 0.125], levels=jt.array(MISSING_LEVELS)),
            ),
            Case("none", (features, rois[:0]), settings),
            Case(
                "pyramid",
                (levels, rois),
                dict(settings, spatial_scale=[0.25, 0.125], levels=jt.array([0, 1, 1, 0, 1, 0])),
            ),
        ]


def test_bad_input():
    with pytest.raises(ValueError, match=r"expected a multiple of 3 \* 3 channels, one for each bin, got 10"):
        ps_roi_align(jt.zeros((1, 10, 9, 9)), jt.zeros((3, 5)), 3)


@pytest.mark.parametrize("op", [ps_roi_align, ps_roi_pool])
def test_a_list_of_boxes_as_in_torchvision(op, rng):
    features = jt.array(rng.standard_normal((2, 12, 13, 17)).astype(np.float32))
    rois = random_rois(rng, 6, 2, 60, 50).astype(np.float32)
    rois = rois[rois[:, 0].argsort(kind="stable")]
    boxes = [jt.array(rois[rois[:, 0] == i, 1:]) for i in range(2)]
    got = op(features, boxes, (3, 2), 0.25).numpy()
    np.testing.assert_array_equal(got, op(features, jt.array(rois), (3, 2), 0.25).numpy())
    with pytest.raises(ValueError, match="boxes: expected a list with the boxes of each of the 2 images, got 3 items"):
        op(features, [*boxes, boxes[0]], (3, 2), 0.25)
