"""The inputs that a detector gives to its RoI layer, recorded by a stand-in for the layer."""

import jittor as jt
import numpy as np
import pytest

from jsra.registry import ConfigError
from jsra.roi.inputs import extractor_of, roi_inputs


class Extractor:
    """Reads the level that the left edge of the box says."""

    featmap_strides = [4, 8]

    def levels(self, rois, num_levels):
        return (rois[:, 1] > 20).int32()


class Model:
    def __init__(self):
        self.extractor = Extractor()

    def features(self, images):
        return [jt.zeros((1, 2, 8, 8)), jt.zeros((1, 2, 4, 4)), jt.zeros((1, 2, 2, 2))]


def test_the_levels_are_the_extractors_own():
    boxes = [np.array([[1, 1, 5, 5], [30, 1, 34, 5]]), np.zeros((0, 4))]
    maps, rois, scales, levels = roi_inputs(Model(), np.zeros((2, 3, 32, 32), np.float32), boxes)
    assert len(maps) == 2 and scales == [1 / 4, 1 / 8]
    assert rois.numpy().tolist() == [[0, 1, 1, 5, 5], [0, 30, 1, 34, 5]]
    assert isinstance(levels, jt.Var) and levels.numpy().tolist() == [0, 1]


def test_a_model_without_an_extractor_is_refused():
    with pytest.raises(ConfigError, match="object has no RoI extractor, which is needed: use"):
        extractor_of(object())
