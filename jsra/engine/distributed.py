"""Data parallel over Jittor's MPI: the few collective steps that the engine takes outside the optimiser.

Start one process per device: `mpirun -np 2 jsra train CONFIG`. Gradients are averaged by Jittor's optimiser.
"""
from __future__ import annotations

import jittor as jt
import numpy as np


def rank() -> int:
    return jt.rank if jt.in_mpi else 0


def world_size() -> int:
    return jt.world_size if jt.in_mpi else 1


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def sum_over_ranks(values: np.ndarray) -> np.ndarray:
    """The element-wise sum of every process's float32 array of the same shape; every process must call it."""
    values = np.asarray(values, np.float32)
    if not jt.in_mpi:
        return values
    return jt.array(values).mpi_all_reduce("add").numpy()


def barrier():
    """Wait until every process is here."""
    sum_over_ranks(np.zeros(1))


def share_weights(model):
    """Give every process the weights of process 0.

    Needed before the first step: Jittor's own broadcast comes after the first gradients are taken.
    """
    if jt.in_mpi:
        model.mpi_param_broadcast()
        jt.sync_all()
