"""What all tests share: a fresh seed that is printed when a test fails, and the places of real data and peers."""

import os

import numpy as np
import pytest

import jsra  # noqa: F401  (prepares the process before anything imports Jittor)

SHARED = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "shared"))


def shared(*parts) -> str:
    """The path of a file of the shared data; the test is skipped where it is absent."""
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        pytest.skip(
            f"needs the shared data ({os.path.join('..', 'shared', *parts)}), which is not beside this checkout"
        )
    return path


@pytest.fixture
def seed(request):
    """A fresh random seed, or JSRA_TEST_SEED; printed by pytest when the test fails."""
    value = int(os.environ.get("JSRA_TEST_SEED", np.random.SeedSequence().entropy % 2**31))
    print(f"seed: rerun with JSRA_TEST_SEED={value} pytest {request.node.nodeid}")
    return value


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)
