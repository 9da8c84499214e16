import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tools"))
from box_shape import on_grids_of, shape  # noqa: E402

from jsra.config import load_config  # noqa: E402
from jsra.inference import load_model  # noqa: E402
from jsra.paper.features import roi_features  # noqa: E402
from jsra.paper.rows import table  # noqa: E402


def test_the_grid_of_its_own_shape_changes_nothing_and_another_does(rng):
    model = load_model(load_config(table(1).select(["SRA"])[0].config("mini")), None)
    pixels = rng.standard_normal((1, 3, 64, 96)).astype(np.float32)
    boxes = np.float32([[4, 4, 44, 24], [10, 2, 40, 62], [30, 20, 90, 60]])
    shapes = np.stack([shape(boxes), -shape(boxes)])
    own, other = np.split(on_grids_of(model, pixels, boxes, shapes), 2)
    expected = roi_features(model, pixels, boxes).reshape(own.shape)
    assert np.allclose(own, expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(other - expected).max() > 0.01 * np.abs(expected).max()
