"""One seeded NumPy generator for every random choice of the process (samplers, data order), whose state can be saved."""

from __future__ import annotations

import numpy as np

MOST_SEED = 2**31 - 1  # what NumPy's and Jittor's global generators take
_rng = np.random.default_rng()


def set_seed(seed: int):
    """Seed the generator of `rng()` and Jittor's, Python's and NumPy's own global ones.

    All processes of an MPI run get the same seed, so that they build the same initial weights.
    """
    import jittor as jt

    global _rng
    jt.sync_all()  # what was asked for before draws its numbers before
    _rng = np.random.default_rng(seed)
    jt.set_global_seed(int(seed), different_seed_for_mpi=False)


def rng() -> np.random.Generator:
    """The generator of this process. Ask for it at each use: `set_seed` replaces it."""
    return _rng


def get_rng_state() -> dict:
    """The state of the generator as plain numbers and strings, ready for JSON."""
    return _rng.bit_generator.state


def set_rng_state(state: dict):
    """Continue from a state that `get_rng_state` gave."""
    _rng.bit_generator.state = state
