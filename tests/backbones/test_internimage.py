"""InternImage against its authors' code (make_internimage.py): maps, gradients of the image and of three weights.

InternImage-T whole: python make_internimage.py CLONE FILE, then JSRA_INTERNIMAGE=FILE pytest -k original on this file.
"""

import os

import pytest

from jsra.backbones.intern_image import InternImage
from tests.backbones.original import check, in_its_place, read

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "internimage.npz")
SMALL = dict(channels=8, depths=(1, 2, 1, 1), groups=(1, 2, 2, 4), mlp_ratio=2.0, drop_path_rate=0.0)


@pytest.mark.parametrize("case", ["divides", "odd"])
def test_maps_and_gradients_are_those_of_the_original(case):
    settings = dict(drop_path_rate=0.0) if "JSRA_INTERNIMAGE" in os.environ else SMALL
    arrays = read(os.environ.get("JSRA_INTERNIMAGE", FILE))
    check(in_its_place(InternImage(**settings)), arrays, case, dict, "internimage")


def test_refusals():
    with pytest.raises(ValueError, match=r"InternImage: 64 channels \(stage 0\) cannot be divided into 5 groups"):
        InternImage(groups=(5, 8, 16, 32))
