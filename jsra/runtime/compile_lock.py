"""A lock for all processes that compile operators in the same cache of Jittor."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import warnings

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compile_lock.cc")
LOCK = "jsra.lock"  # in the cache
_installed = False


def install():
    """Lock every compilation of this process from now on, including Jittor's fused operators; see compile_lock.cc.

    A process that waits for more than a second prints one line on stderr. Only on Linux; other systems keep Jittor's own
    lock. Imports Jittor. The library (one second to compile) is stored in the cache.
    """
    global _installed
    if _installed or not sys.platform.startswith("linux"):
        return
    _installed = True
    import jittor as jt
    import jittor_utils.lock

    cache = jt.flags.cache_path
    waiting = f"jsra: waiting for another process that compiles operators in {cache}"
    places = [os.path.join(cache, LOCK), jittor_utils.lock.lock_path, waiting]
    try:
        error = ctypes.CDLL(_library(cache, jt.flags.cc_path)).jsra_lock_compilations(*map(os.fsencode, places))
        if error:
            raise OSError(error, os.strerror(error))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        warnings.warn(f"only Jittor's lock protects compilation, and a killed process releases it: {reason}", stacklevel=2)
        return
    jt.flags.disable_lock = 1


def _library(cache, compiler) -> str:
    with open(SOURCE, "rb") as f:
        name = hashlib.sha256(f.read()).hexdigest()[:16]
    path = os.path.join(cache, f"jsra_compile_lock_{name}.so")
    if not os.path.isfile(path):
        own = f"{path}.{os.getpid()}"
        command = [compiler, "-std=c++14", "-O1", "-fPIC", "-shared", SOURCE, "-o", own]
        subprocess.run(command, check=True, capture_output=True, text=True)
        os.replace(own, path)
    return path
