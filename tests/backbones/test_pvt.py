"""PVTv2 against timm's (make_pvt.py): maps of all stages, gradients of the image and of three weights.

PVTv2-B0 whole: python make_pvt.py FILE, then JSRA_PVT=FILE pytest tests/backbones/test_pvt.py -k original
"""

import os

import jittor as jt
import numpy as np
import pytest

from jsra.backbones.pvt import PVTv2
from tests.backbones.original import check, in_its_place, read

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pvt.npz")
SMALL = dict(width=4, depths=(1, 1, 1, 1), drop_path_rate=0.0)


def by_file_names(arrays):
    """timm's names where it gives features -> those of its classifiers."""
    return {name.replace("stages_", "stages."): array for name, array in arrays.items()}


@pytest.mark.parametrize("case", ["divides", "odd"])
def test_maps_and_gradients_are_those_of_the_original(case):
    arrays = read(os.environ.get("JSRA_PVT", FILE))
    model = in_its_place(PVTv2(drop_path_rate=0.0) if "JSRA_PVT" in os.environ else PVTv2(**SMALL))
    check(model, arrays, case, by_file_names, "timm_pvt")


def test_parameters():
    """The paper's and timm's 3.67 and 14.0 M are with the classifier's last layer (257,000 and 513,000), 25.4 M of B2 too."""
    for variant, millions in (("b0", 3.41), ("b1", 13.50), ("b2", 24.85)):
        model = PVTv2(variant)
        assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions
    assert PVTv2().out_channels == (32, 64, 160, 256)


def test_refusals():
    with pytest.raises(ValueError, match="variant must be one of b0, b1, b2, b3, b4, b5, got 'b6'"):
        PVTv2("b6")
    with pytest.raises(ValueError, match="at least 32 x 32 pixels"):
        PVTv2(**SMALL)(jt.array(np.zeros((1, 3, 31, 64), np.float32)))
