"""The gateway between the operators and their kernels: the only caller of jt.code.

A kernel is a pair of launch functions with the same name, in the folder of its operator:

    cuda_src/<op>/cpu.h        jsra::cpu::<op>_<kernel>(inputs..., outputs..., scalars...)
    cuda_src/<op>/<kernel>.cuh jsra::cuda::<op>_<kernel>(inputs..., outputs..., scalars..., stream)

Inputs and outputs are raw pointers (a list of Vars is passed as jsra::Pointers<T>, by value), integers are int64_t, floats
double, lists of numbers jsra::Ints or jsra::Floats. A launch function initialises its whole output (Jittor does not) and does
nothing if every size is zero: before its first use, a kernel is compiled by such a call on one-element arrays, so that a
compiler error is reported as a KernelError with the first lines of the compiler.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile

import jittor as jt
import numpy as np

from jsra import resources
from jsra.ops import kernel_files
from jsra.runtime import compile_lock
from jsra.runtime.memory import lacks_memory, no_memory

MAX_LIST = 8  # jsra::MAX_LIST in common/list.h
_COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
_BACKENDS = ("native", "host_cuda")
_backend = "native"
_compiled = set()

compile_lock.install()  # before the first operator of any program that uses jsra's


class KernelError(RuntimeError):
    """A kernel that does not compile."""


@contextlib.contextmanager
def backend(name: str):
    """Context manager: run kernels with another backend.

    'native' is the CPU kernel on the CPU and the CUDA kernel on the GPU; 'host_cuda' runs the CUDA kernel files on the CPU,
    with a replacement of the CUDA launch in common/host_cuda.h: slow, for tests of their index arithmetic.
    """
    global _backend
    if name not in _BACKENDS:
        raise ValueError(f"backend: {name!r} is none of {', '.join(_BACKENDS)}")
    previous, _backend = _backend, name
    try:
        yield
    finally:
        _backend = previous


def runs_cuda_files() -> bool:
    """Whether the CUDA files are used now, on the GPU or with 'host_cuda': they may need scratch outputs."""
    return _backend == "host_cuda" or bool(jt.flags.use_cuda)


def _pack(values, prefix):
    """Flatten inputs or outputs, and give each argument as a C++ expression."""
    flat, expressions = [], []
    for value in values:
        group = value if isinstance(value, list) else [value]
        names = [f"{prefix}{len(flat) + i}" for i in range(len(group))]
        flat.extend(group)
        if value is group:
            if not 1 <= len(group) <= MAX_LIST:
                raise ValueError(f"a kernel takes lists of 1 to {MAX_LIST} arrays, not {len(group)}")
            pointers = ", ".join(f"{n}_p" for n in names)
            expressions.append(f"jsra::Pointers<{names[0]}_type>{{{{{pointers}}}}}")
        else:
            expressions.append(f"{names[0]}_p")
    return flat, expressions


def _pack_scalars(scalars):
    """Split the scalars into `data` for jt.code and a C++ expression for each."""
    data, expressions = {}, []

    def number(key, value):
        is_float = isinstance(value, (float, np.floating))
        data[key] = float(value) if is_float else int(value)
        return f'data["{key}"]' if is_float else f'(int64_t)data["{key}"]'

    for key, value in scalars.items():
        if isinstance(value, (list, tuple)):
            if len(value) > MAX_LIST:
                raise ValueError(f"{key}: a kernel takes lists of up to {MAX_LIST} numbers, not {len(value)}")
            kind = "Floats" if any(isinstance(v, (float, np.floating)) for v in value) else "Ints"
            values = [float(v) if kind == "Floats" else v for v in value]
            items = ", ".join(number(f"{key}{i}", v) for i, v in enumerate(values))
            expressions.append(f"jsra::{kind}{{{{{items}}}}}")
        else:
            expressions.append(number(key, value))
    return data, expressions


def _sources(op, kernel, arguments):
    """jt.code's source arguments for one kernel under the current backend."""
    function = f"{op}_{kernel}"
    call = ", ".join(arguments)
    cuda_header = f'#include "common/list.h"\n#include "{op}/{kernel}.cuh"\n'
    if _backend == "host_cuda":
        return {
            "cpu_header": f"#define JSRA_HOST_CUDA\n{cuda_header}",
            "cpu_src": f"\n jsra::cuda::{function}({call}, (cudaStream_t)0);",
        }
    return {
        "cpu_header": f'#include "common/list.h"\n#include "{op}/cpu.h"\n',
        "cpu_src": f"\n jsra::cpu::{function}({call});",
        "cuda_header": cuda_header,
        "cuda_src": f"\n jsra::cuda::{function}({call}, (cudaStream_t)0);",
    }


def _reason(compiler: str, jittor: str) -> str:
    """The first errors of the compiler, or Jittor's own error if the compiler did not run."""
    compiler, jittor = (_COLOUR.sub("", text) for text in (compiler, jittor))
    lines = [line for line in compiler.splitlines() if "error: " in line]
    if not lines:
        at = jittor.rfind("Reason:")
        lines = jittor[at:].splitlines() if at >= 0 else jittor.splitlines()[-8:]
    return "\n".join(lines[:8])


def _include_path(sources) -> str:
    header = sources["cpu_header"] + sources.get("cuda_header", "")
    return kernel_files.include_path(header, resources.folder("cuda_src"), jt.flags.cache_path)


def _code(shapes, dtypes, variables, data, sources):
    results = jt.code(shapes, dtypes, variables, data=data, **sources)
    # 'host_cuda' is compiled for every test of a kernel and runs once: compiling with -O1 takes half as long as with -Ofast.
    optimisation = "-O1 " if _backend == "host_cuda" else ""
    options = {f"FLAGS: -I{shlex.quote(_include_path(sources))} {optimisation}": 1}  # the path may have a space
    for result in results:
        result.compile_options = options
    return results


def _tiny(like):
    """One element (0, except for bfloat16) with the rank and dtype of `like`. jt.zeros would compile a kernel per rank."""
    shape, dtype = [1] * max(like.ndim, 1), str(like.dtype)
    if dtype == "bfloat16":  # NumPy has none
        return jt.empty(shape, dtype)
    with jt.flag_scope(auto_convert_64_to_32=0):
        return jt.array(np.zeros(shape, dtype))


# Jittor gives a float64 Var a float32 gradient if it was multiplied by a float32 Var.
_MIXED = " its inputs are float32 and float64. Give all Vars one type, also those that a result is multiplied by"


def _compile(name, variables, outputs, data, sources):
    """Compile by running on one-element arrays with every size zero. Raises KernelError with the compiler's first lines."""
    tiny = [_tiny(v) for v in variables]
    shapes, dtypes = [[1] * max(len(s), 1) for s, _ in outputs], [d for _, d in outputs]
    nothing = {key: 0.0 if isinstance(value, float) else 0 for key, value in data.items()}
    with tempfile.TemporaryFile(mode="w+") as captured:
        saved = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            # With a weak sync, Jittor would also execute other pending operations, fused in another way than in later steps:
            # the first step of a process would be rounded differently.
            jt.sync(_code(shapes, dtypes, tiny, nothing, sources), weak_sync=False)
        except RuntimeError as error:
            if lacks_memory(error):
                raise MemoryError(f"{name}: {no_memory()}") from None
            captured.seek(0)
            text = _reason(captured.read(), str(error)).replace(_include_path(sources), resources.folder("cuda_src"))
            mixed = _MIXED if {"float32", "float64"} <= {str(v.dtype) for v in variables} else ""
            raise KernelError(f"the kernel {name} does not compile under {_backend!r}:{mixed}\n{text}") from None
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def run(op: str, kernel: str, inputs, outputs, **scalars):
    """Run a kernel: the launch function <op>_<kernel> of cuda_src/<op>.

    Args:
        op, kernel: folder and kernel, e.g. 'roi_align', 'forward'.
        inputs: Vars, or lists of Vars of one dtype, in the order of the launch function.
        outputs: (shape, dtype) of each output, or a list of such pairs, in that order; dtypes as strings.
        scalars: the sizes and numbers that follow, in that order: int, float, or a list of up to 8 of one kind.
    Returns: a Var for one output, a list of Vars for several (lists of outputs are flattened). They have no gradient: wrap
        the call in a jt.Function.
    Raises: KernelError if the kernel does not compile.
    """
    variables, arguments = _pack(inputs, "in")
    outputs, results = _pack(outputs, "out")
    data, numbers = _pack_scalars(scalars)
    sources = _sources(op, kernel, arguments + results + numbers)
    signature = (
        sources["cpu_src"], op, _backend, jt.flags.use_cuda,
        tuple((v.ndim, str(v.dtype)) for v in variables), tuple((len(s), d) for s, d in outputs),
    )  # fmt: skip
    if signature not in _compiled:
        _compile(f"{op}_{kernel}", variables, outputs, data, sources)
        _compiled.add(signature)
    results = _code([list(s) for s, _ in outputs], [d for _, d in outputs], variables, data, sources)
    return results[0] if len(outputs) == 1 else results
