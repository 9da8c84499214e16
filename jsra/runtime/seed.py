"""One seeded NumPy generator for every random choice of the process (samplers, data order), whose state can be saved."""

from __future__ import annotations

import contextlib
import random

import numpy as np

MOST_SEED = 2**31 - 1  # the largest seed that both NumPy's and Jittor's global generators accept
_rng = np.random.default_rng()


def set_seed(seed: int):
    """Seed the generator of `rng()` and the global generators of Jittor, Python and NumPy.

    All processes of an MPI run use the same seed, so that they build the same initial weights.
    """
    import jittor as jt

    global _rng
    jt.sync_all()  # pending operations must draw their random numbers before the new seed
    _rng = np.random.default_rng(seed)
    jt.set_global_seed(int(seed), different_seed_for_mpi=False)


def rng() -> np.random.Generator:
    """The generator of this process. Call this for every use, because `set_seed` replaces the generator."""
    return _rng


def get_rng_state() -> dict:
    """The state of the generator as numbers and strings that can be written as JSON."""
    return _rng.bit_generator.state


def set_rng_state(state: dict):
    """Restore a state from `get_rng_state`."""
    _rng.bit_generator.state = state


@contextlib.contextmanager
def seeded(*numbers):
    """Context manager: the global generators of NumPy and Python are seeded inside, and as before after it.

    A user's transform may draw from them instead of its `rng`: otherwise all data workers, which are forked from one process,
    would draw the same numbers, and a resumed run others than an uninterrupted one.
    """
    before = np.random.get_state(), random.getstate()
    np.random.seed([int(number) for number in numbers])
    random.seed(repr(numbers))
    try:
        yield
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])
