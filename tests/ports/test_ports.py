"""Every port computes the same function as jsra: compared with stored results of the ports in PyTorch (vectors, written by
make_vectors.py), and with new ones if JSRA_TORCH names a Python with PyTorch and torchvision."""

import os

import numpy as np
import pytest

from jsra.crosscheck.compare import compare, first_difference, table
from jsra.crosscheck.run import answer_here, answer_there, make_case
from tests.ports import cases
from tests.ports.make_vectors import SIZES, small_case, stored

CASES = cases.cases()


def assert_equal(mine, theirs, **tolerances):
    rows = compare(mine, theirs, **tolerances)
    assert first_difference(rows) is None, table(rows)
    return {row.name for row in rows if not row.note}


@pytest.mark.parametrize("which", range(len(SIZES["small"])))
@pytest.mark.parametrize("name", CASES)
def test_ports_answered_the_same(name, which):
    settings = CASES[name]
    case = small_case(settings, cases.port(settings["type"]), which)
    # Float32 on two machines: twice what make_vectors.py asks for on one.
    compared = assert_equal(answer_here(case), stored(f"{name} {which}"), tolerance=2e-5, gradient_tolerance=2e-4)
    assert {"output", "evaluation", "gradient of features/0"} <= compared
    assert all(f"gradient of {weight}" in compared for weight in case.request["trained"])


def live():
    """The Python with PyTorch; the test is skipped where none is named."""
    python = os.environ.get("JSRA_TORCH")
    if not python:
        pytest.skip("needs a Python with PyTorch and torchvision, named in JSRA_TORCH")
    return python


@pytest.mark.parametrize("kind", cases.FILES)
def test_ports_answer_the_same(kind):
    """On a pyramid, with two steps of training."""
    python = live()
    settings = {"type": kind, **cases.SMALL[kind]}
    case = make_case(settings, cases.port(kind), 10, (12, 16), pyramid=True, degenerate=True, double=True, steps=2)
    mine = answer_here(case)
    assert_equal(mine, answer_there(case, python))
    assert np.isfinite(mine["losses"]).all()
