"""Processes started by Slurm's srun get the environment variables of Open MPI's mpirun, the only ones that Jittor knows."""

from __future__ import annotations

import os

_NAMES = {
    "OMPI_COMM_WORLD_SIZE": "SLURM_STEP_NUM_TASKS",
    "OMPI_COMM_WORLD_RANK": "SLURM_PROCID",
    "OMPI_COMM_WORLD_LOCAL_RANK": "SLURM_LOCALID",
}


def adopt():
    """Under `srun --mpi=pmix` (or pmi2) with several tasks, set the variables of mpirun. Call it before importing Jittor.

    The rank on this machine chooses the GPU (jsra.runtime.cuda).
    """
    managed = "PMIX_RANK" in os.environ or "PMI_RANK" in os.environ
    if "OMPI_COMM_WORLD_SIZE" not in os.environ and managed and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        os.environ.update({name: os.environ[slurm] for name, slurm in _NAMES.items() if slurm in os.environ})
