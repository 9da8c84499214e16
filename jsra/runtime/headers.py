"""Precompiled headers: Jittor's headers are parsed once for all operators, which then compile in half the time.

Jittor starts one g++ per operator, and each spends most of its time on the same headers (docs/benchmarks.md). GCC stores the
parsed X.h in X.h.gch and loads it whenever X.h is the first include, with the same flags.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import warnings

# The headers that generated sources include, of every kind of fused operator, after the two macros that they all define
# first.
_DEFINES = ("JIT", "JIT_cpu")
_SYSTEM = ("algorithm", "cmath", "limits", "assert.h")
_JITTOR = (
    "var.h", "executor.h", "fused_op.h", "ops/op_register.h", "ops/array_op.h", "ops/binary_op.h",
    "ops/broadcast_to_op.h", "ops/code_op.h", "ops/reduce_op.h", "ops/ternary_op.h", "ops/unary_op.h",
    "misc/cpu_math.h", "misc/cuda_flags.h",
)  # fmt: skip
OPTION = ' -include"'  # the beginning of what precompile() adds to Jittor's flags
_LINKING = ("-l", "-L", "-Wl,", "-shared")


def precompile() -> str | None:
    """Use a precompiled header for all operators that this process compiles from now on.

    The file (85 MB) is made at the first call, in a few seconds, in Jittor's cache. Returns the header, or None if the
    compiler is not GCC on Linux or if Jittor uses CUDA (then nvcc compiles nearly everything). A failure only gives a
    warning, and operators are compiled in Jittor's usual way. Imports Jittor.
    """
    import jittor as jt

    if jt.flags.cc_type != "g++" or jt.has_cuda or not sys.platform.startswith("linux"):
        return None
    flags = jt.flags.cc_flags
    if OPTION in flags:
        return flags.split(OPTION)[1].split('"')[0]
    text = _text(os.path.join(jt.flags.jittor_path, "src"))
    name = hashlib.sha256(f"{flags}\n{text}".encode()).hexdigest()[:16]
    header = os.path.join(jt.flags.cache_path, "headers", name, "jittor.h")
    if not os.path.isfile(f"{header}.gch"):
        problem = _make(header, text, [jt.flags.cc_path, *compile_flags(flags)])
        if problem:
            warnings.warn(f"Jittor's headers could not be compiled once for all operators: {problem}", stacklevel=2)
            return None
    jt.flags.cc_flags = f'{flags}{OPTION}{header}" '
    return header


def compile_flags(flags: str) -> list:
    """The compilation flags among Jittor's flags for an operator, as Jittor uses them: with -g, to assembler."""
    return [flag for flag in shlex.split(flags) if not flag.startswith(_LINKING)] + ["-g"]


def _text(source):
    lines = [f"#define {name} 1" for name in _DEFINES] + [f"#include <{name}>" for name in _SYSTEM]
    lines += [f'#include "{name}"' for name in _JITTOR if os.path.isfile(os.path.join(source, name))]
    return "\n".join(lines) + "\n"


def _make(header, text, command) -> str:
    """Write the header and compile it; returns the compiler's error message, or ''. Each file is written atomically."""
    os.makedirs(os.path.dirname(header), exist_ok=True)
    own = f"{header}.{os.getpid()}"
    with open(own, "w", encoding="utf8") as f:
        f.write(text)
    os.replace(own, header)
    made = subprocess.run([*command, "-x", "c++-header", header, "-o", f"{own}.gch"], capture_output=True, text=True)
    if made.returncode:
        return (made.stderr.strip().splitlines() or [f"{command[0]} ended with {made.returncode}"])[0]
    os.replace(f"{own}.gch", f"{header}.gch")
    return ""
