"""Chooses the device on which Jittor computes."""

from __future__ import annotations

import os

from jsra.registry import ConfigError
from jsra.runtime.arithmetic import arithmetic_of, set_arithmetic


def use_best_device(config=None) -> str:
    """Switch CUDA on if Jittor can use it; returns 'cuda' or 'cpu'. With JSRA_DEVICE=cpu the CPU is used.

    config: its keys tf32 and deterministic set how a GPU computes (jsra.runtime.arithmetic).

    Under MPI each process of a machine has its own GPU (jsra.runtime.cuda).
    """
    import jittor as jt

    wanted = os.environ.get("JSRA_DEVICE", "")
    if wanted not in ("", "cpu", "cuda"):
        raise ConfigError(f"JSRA_DEVICE={wanted!r}: it can be cpu or cuda")
    if wanted == "cuda" and not jt.has_cuda:
        raise ConfigError("JSRA_DEVICE=cuda, but Jittor has no CUDA here: `jsra doctor` says why")
    jt.flags.use_cuda = int(bool(jt.has_cuda) and wanted != "cpu")
    set_arithmetic(**arithmetic_of(config or {}))
    return "cuda" if jt.flags.use_cuda else "cpu"
