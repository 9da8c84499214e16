"""The end of a process that failed while others of its MPI run go on."""

from __future__ import annotations

import os
import sys
import time


def several() -> bool:
    """Whether this process is one of several of an MPI run; asks the environment alone."""
    return int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1)) > 1


def leave(code: int):
    """End this process at once with an exit code other than 0: mpirun then ends the others.

    A usual end waits in MPI_Finalize for the others, which may be waiting for this process. Process 0 is given a second to
    say what happened: mpirun kills it when another is gone.
    """
    if os.environ.get("OMPI_COMM_WORLD_RANK", "0") != "0":
        time.sleep(1)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
