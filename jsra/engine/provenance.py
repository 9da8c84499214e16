"""The information that makes a result reproducible: commit, versions, machine."""
from __future__ import annotations

import functools
import os
import platform
import shlex
import subprocess
import sys

from jsra.version import __version__

_typed = None  # the command that started this process for a part of its work


@functools.lru_cache(maxsize=None)
def commit() -> str:
    """The commit of the checkout that contains jsra, with '+changes' if files differ from it; 'unknown' outside a checkout,
    also if jsra is installed into an environment inside a checkout of something else.

    It is read once, when a run starts, because that is the code which runs.
    """
    folder, file = os.path.split(os.path.abspath(__file__))
    found = ""
    try:
        for command in (
            ["ls-files", "--error-unmatch", file],
            ["describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],
        ):
            done = subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, timeout=10, check=True)
            found = done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found or "unknown"


def provenance() -> dict:
    """{commit, versions of jsra, Python, Jittor and NumPy, processor, devices, processes} as plain JSON."""
    import jittor as jt
    import numpy as np

    return {
        "commit": commit(),
        "jsra": __version__,
        "jittor": jt.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "cuda": bool(jt.flags.use_cuda),
        "processes": jt.world_size if jt.in_mpi else 1,
        "command": command(),
    }


def command() -> str:
    """The command as typed by the user, without the folder of the program."""
    if _typed is not None:
        return _typed
    program = os.path.basename(sys.argv[0])
    return " ".join(["python -m jsra" if program == "__main__.py" else program, *map(shlex.quote, sys.argv[1:])])


def started_by(typed: str):
    """Say that this process does a part of the work of a command that the user typed."""
    global _typed
    _typed = typed
