"""Ends a failed process while other processes of its MPI run are still running."""

from __future__ import annotations

import os
import sys
import time


def several() -> bool:
    """Whether this process is one of several of an MPI run; reads only environment variables."""
    return int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1)) > 1


def leave(code: int):
    """End this process immediately with an exit code other than 0, so that mpirun ends the others.

    A normal exit waits in MPI_Finalize for the others, which may be waiting for this process. Other processes wait one second
    before they exit, so that process 0 can print what happened: mpirun kills it when another process has ended.
    """
    if os.environ.get("OMPI_COMM_WORLD_RANK", "0") != "0":
        time.sleep(1)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
