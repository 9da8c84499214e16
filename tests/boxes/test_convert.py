import numpy as np

from jsra.boxes.convert import as_boxes, boxes_to_rois, xywh_to_xyxy, xyxy_to_xywh


def test_formats():
    corners = np.float32([[1, 2, 4, 8]])
    np.testing.assert_array_equal(xyxy_to_xywh(corners), [[1, 2, 3, 6]])
    np.testing.assert_array_equal(xywh_to_xyxy(xyxy_to_xywh(corners)), corners)
    assert as_boxes(None).shape == as_boxes([]).shape == (0, 4)
    assert as_boxes([[1, 2, 3, 4]]).dtype == np.float32


def test_rois_carry_the_image():
    rois = boxes_to_rois([np.float32([[1, 2, 3, 4]]), [], np.float32([[5, 6, 7, 8]])])
    np.testing.assert_array_equal(rois, [[0, 1, 2, 3, 4], [2, 5, 6, 7, 8]])
    assert boxes_to_rois([]).shape == boxes_to_rois([[]]).shape == (0, 5)
