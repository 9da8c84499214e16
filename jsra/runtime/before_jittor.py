"""Checks and messages at the moment when a process imports Jittor; commands without Jittor (`jsra doctor`) are not affected.

- NumPy 2: with it Jittor 1.3 finds no boxes, writes wrong weights and crashes in operators, so the import is refused.
- Jittor compiles with g++ and Python's headers, also when it is already compiled itself: without them the import is refused.
- Jittor reads variables of the environment: one that names no program, or asks for a GPU that is not there, would end the
  process inside of Jittor, so the import is refused.
- Jittor starts processes that share a semaphore, which needs /dev/shm: without it the import is refused.
- Jittor takes what programs print, errors included, into the commands of its compiler. If every program prints a line here
  (LD_PRELOAD names a library that is missing; bash does not know the locale), or mpicc does (no network interface, an MPI
  other than Open MPI), the import is refused.
- Under a limit of memory (`ulimit -v`) that is too small for it, Jittor crashes or waits without end: the import is refused.
- When a part of its cache is out of date (the home folder was moved), Jittor compiles that part and ends the process with
  exit code 0 and without a word: here it is an ImportError.
- What Jittor changes in the process at its import is set right afterwards (jsra.runtime.after_jittor), and the random
  numbers of Python and NumPy continue as if it had not been imported.
- At its first import with a new cache, Jittor compiles itself for minutes without a message: a message is printed before.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import multiprocessing
import os
import random
import shutil
import subprocess
import sys

import numpy as np

from jsra.runtime import after_jittor, home, memory, python_config

CURE = "pip install 'numpy<2'"


class _Loader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        states = random.getstate(), np.random.get_state()  # Jittor seeds both by the time
        _fork_compilers()
        try:
            super().exec_module(module)
        except SystemExit:
            place = home.cache(home.place()[0])
            raise ImportError(
                f"Jittor has just compiled a part of its cache ({place}) again: run the same command again"
            ) from None
        except RuntimeError as error:
            if "Run cmd failed" not in str(error):
                raise
            used = "".join(f", {name}={os.environ[name]}" for name in ("cc_path", "nvcc_path") if os.environ.get(name))
            raise ImportError(
                f"Jittor does not compile with this compiler or CUDA{used}; the compiler's errors are above, and "
                "`jsra doctor` says what fits"
            ) from None
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        after_jittor.set_right(module)


def _fork_compilers():
    """Let Jittor fork the processes with which it compiles, whatever start method the user has set: with 'spawn' each of them
    would execute the user's script, which may fail there, and be started again without end."""
    import jittor_utils

    jittor_utils.Pool = multiprocessing.get_context("fork").Pool


class _BeforeJittor:
    """A module finder that is asked first: for Jittor it checks what Jittor needs."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "jittor":
            return None
        refuse_numpy_2()
        _refuse_wrong_variables()
        _refuse_without_compiler()
        _refuse_without_semaphores()
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        _refuse_spaces(sys.executable, spec and spec.origin)
        _refuse_lines_of_programs()
        _refuse_lines_of_mpicc()
        _refuse_little_memory()
        _announce_compile()
        if spec is not None and spec.origin:
            spec.loader = _Loader(name, spec.origin)
        return spec


def refuse_numpy_2():
    if int(np.__version__.split(".")[0]) >= 2:
        raise ImportError(
            f"NumPy {np.__version__} is installed, and Jittor computes wrong results with NumPy 2: {CURE} "
            f"(in {sys.prefix}; OpenCV must be 'opencv-python-headless<4.11' then)"
        )


def _refuse_wrong_variables():
    for name, used in (("cc_path", True), ("nvcc_path", True), ("mpicc_path", mpicc())):
        program = os.environ.get(name)
        if program and used and not shutil.which(program):
            raise ImportError(f"{name}={program} is set in the environment and names no program: correct it, or unset it")
    given = os.path.basename(os.environ.get("cc_path", "g++"))
    if not any(known in given for known in ("g++", "clang", "icc", "icpc")):
        raise ImportError(
            f"cc_path={os.environ['cc_path']} is set in the environment, and Jittor knows a compiler by its name (g++, "
            "clang++, icc, icpc): correct it, or unset it"
        )
    wanted = os.environ.get("use_cuda", "")
    if wanted not in ("", "0") and os.environ.get("nvcc_path") == "":
        raise ImportError(f"use_cuda={wanted} is set in the environment, and CUDA is off (`jsra doctor` says why): unset it")


def _refuse_without_semaphores():
    try:
        _ = [multiprocessing.get_context("fork").Lock() for _ in range(8)]  # at the same time, as Jittor's pool has them
    except OSError as error:
        raise ImportError(
            f"no semaphore can be made ({error.strerror}), which Jittor and data workers need: /dev/shm must exist, be "
            "writable and have room (docker: --shm-size=1g)"
        ) from None


def compiler():
    """The path of the compiler that Jittor will use on Linux; None if there is none."""
    return os.environ.get("cc_path") or shutil.which("g++")


def _refuse_without_compiler():
    if not sys.platform.startswith("linux"):
        return
    missing = []
    if not compiler():
        missing.append("g++ is not on PATH (apt-get install g++)")
    if not (python_config.found() or python_config.headers()):
        missing.append(f"Python.h is not installed (apt-get install {python_config.PACKAGE})")
    if missing:
        raise ImportError(f"{', and '.join(missing)}, and Jittor compiles operators; `jsra doctor` shows what is missing")


def _refuse_spaces(python, jittor):
    """Jittor starts programs by both paths, and does not quote them."""
    for what, path in (("Python", python), ("Jittor", jittor)):
        if path and " " in path:
            raise ImportError(
                f"the path of {what} has a space ({path}), and Jittor could not compile any operator: make the virtual "
                "environment in a folder without spaces"
            )


def _refuse_lines_of_programs():
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError):  # no shell, no process left: Jittor will say so
        said = subprocess.run(":", shell=True, stdin=subprocess.DEVNULL, capture_output=True, errors="replace")
        lines = (said.stdout + said.stderr).strip().splitlines()
        if lines:
            raise ImportError(
                f"every program that is started here prints {lines[0]!r}, which Jittor takes for a part of its compiler's "
                "commands: correct what it names, such as LD_PRELOAD (or unset it), the locale (LC_ALL), the current folder"
            )


def mpicc():
    """The path of the MPI compiler that Jittor will use; None or "" if it uses none."""
    return os.environ.get("mpicc_path", shutil.which("mpicc")) if os.environ.get("use_mpi", "1") == "1" else None


def _refuse_lines_of_mpicc():
    path = mpicc()
    if not path:
        return
    with contextlib.suppress(OSError):
        said = subprocess.run([path, "--showme:compile"], stdin=subprocess.DEVNULL, capture_output=True, errors="replace")
        lines = said.stderr.strip().splitlines()
        if lines:
            raise ImportError(
                f"{path} --showme:compile prints {lines[0]!r}, which Jittor takes for a part of its compiler's commands: "
                "correct what it names, or set use_mpi=0 (one process)"
            )


def _refuse_little_memory():
    reason = memory.too_little()
    if reason:
        raise ImportError(reason)


def _announce_compile():
    place, reason = home.place()
    if not home.compiled(place):
        print(
            f"jsra: Jittor compiles itself now, once, into {home.cache(place)} ({reason}): 2 to 5 minutes", file=sys.stderr
        )


def watch():
    """Install the finder in sys.meta_path."""
    if _BeforeJittor not in sys.meta_path:
        sys.meta_path.insert(0, _BeforeJittor)
