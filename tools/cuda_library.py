"""cuda_src as a library for PyTorch tensors, without Jittor: compiled by nvcc, or by g++ with the stand-in for the launch."""

from __future__ import annotations

import ctypes
import glob
import hashlib
import os
import re
import subprocess
import tempfile

CUDA_SRC = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cuda_src")
MAX_LIST = 8
# What a launch function's template parameters stand for: T the features; B boxes and M masks beside them; I, N scratch.
TYPES = {"B": "float", "M": "float", "I": "long long", "N": "int"}
ELEMENTS = ("float", "__half", "__nv_bfloat16")
FLOAT_ONLY = ("nms",)  # whose wrapper hands over float32 whatever it is given


def operators() -> list:
    """The folders of cuda_src that hold an operator."""
    return sorted(os.path.basename(os.path.dirname(f)) for f in glob.glob(os.path.join(CUDA_SRC, "*", "forward.cuh")))


def architectures(nvcc) -> list:
    """70, 80 and 90, or where this nvcc has dropped sm_70 (CUDA 13), its oldest instead."""
    listed = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout
    known = sorted(int(n) for n in re.findall(r"compute_(\d+)\b", listed))
    return sorted({n if n in known else known[0] for n in (70, 80, 90)})


def instances(operator, elements=ELEMENTS) -> str:
    """A translation unit that instantiates every launch function of an operator, as pointers <function>_<element>.

    Raises ValueError for a kernel file without a launch function <operator>_<kernel>.
    """
    lines, pointers = ['#include "common/list.h"'], []
    for path in sorted(glob.glob(os.path.join(CUDA_SRC, operator, "*.cuh"))):
        kernel = os.path.basename(path)[:-4]
        with open(path, encoding="utf8") as file:
            found = re.search(rf"template <([^>]*)>\s*\nvoid {operator}_{kernel}\(", file.read())
        if not found:
            raise ValueError(f"{path} has no launch function {operator}_{kernel}")
        lines.append(f'#include "{operator}/{kernel}.cuh"')
        names = [parameter.split()[-1] for parameter in found.group(1).split(",")]
        for element in elements[:1] if operator in FLOAT_ONLY else elements:
            types = ", ".join(TYPES.get(name, element) for name in names)
            pointers.append(f"auto* {operator}_{kernel}_{element} = &jsra::cuda::{operator}_{kernel}<{types}>;")
    return "\n".join([*lines, 'extern "C" {', *pointers, "}", ""])


def _list_of(item):
    return type(f"ListOf{item.__name__}", (ctypes.Structure,), {"_fields_": [("at", item * MAX_LIST)]})


_POINTERS, _INTS, _FLOATS = _list_of(ctypes.c_void_p), _list_of(ctypes.c_int64), _list_of(ctypes.c_double)


def _argument(value):
    """A tensor, number or list of these, as the launch functions take it."""
    if isinstance(value, (list, tuple)):
        if hasattr(value[0], "data_ptr"):
            return _POINTERS((ctypes.c_void_p * MAX_LIST)(*(v.data_ptr() for v in value)))
        if any(isinstance(v, float) for v in value):
            return _FLOATS((ctypes.c_double * MAX_LIST)(*value))
        return _INTS((ctypes.c_int64 * MAX_LIST)(*value))
    if hasattr(value, "data_ptr"):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_double(value) if isinstance(value, float) else ctypes.c_int64(int(value))


class Library:
    """The launch functions of an operator, compiled on first use. `run` is what jsra.ops.kernel.run is for Vars."""

    def __init__(self, operator, stand_in=False, nvcc="nvcc", arch="native"):
        self.operator, self.stand_in = operator, stand_in
        if stand_in:
            text = "#define JSRA_HOST_CUDA\n" + instances(operator, ("float",))
            command = ["g++", "-std=c++14", "-O2", "-w", "-fPIC", "-shared", "-x", "c++"]
        else:
            text = instances(operator)
            command = [nvcc, "-std=c++17", "-O3", f"-arch={arch}", "-shared", "-Xcompiler", "-fPIC"]
        key = hashlib.sha256((text + " ".join(command) + self._sources()).encode()).hexdigest()[:16]
        folder = os.path.join(tempfile.gettempdir(), "jsra_gpu_check")
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, f"{operator}_{key}.so")
        if not os.path.exists(self.path):
            source = self.path[:-3] + ".cu"
            with open(source, "w", encoding="utf8") as file:
                file.write(text)
            done = subprocess.run([*command, f"-I{CUDA_SRC}", source, "-o", self.path], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{operator} does not compile:\n{done.stdout}{done.stderr}")
        self.library = ctypes.CDLL(self.path)

    def _sources(self):
        parts = []
        for folder in ("common", "roi_align", self.operator):
            for path in sorted(glob.glob(os.path.join(CUDA_SRC, folder, "*"))):
                with open(path, encoding="utf8") as file:
                    parts.append(file.read())
        return "".join(parts)

    def run(self, kernel, inputs, outputs, **scalars):
        """Run a kernel on tensors.

        Args:
            kernel: e.g. 'forward'.
            inputs: tensors or lists of them, in the order of the launch function.
            outputs: (shape, dtype) of each output, or a list of such pairs.
            scalars: the numbers that follow, in that order.
        Returns: the outputs, lists flattened.
        """
        import torch

        first = inputs[0][0] if isinstance(inputs[0], (list, tuple)) else inputs[0]
        element = {torch.float32: "float", torch.float16: "__half", torch.bfloat16: "__nv_bfloat16"}[first.dtype]
        device = first.device
        flat, results = [], []
        for output in outputs:
            group = output if isinstance(output, list) else [output]
            made = [torch.empty(shape, dtype=dtype, device=device) for shape, dtype in group]
            results.append(made if output is group else made[0])
            flat += made
        stream = 0 if self.stand_in else torch.cuda.current_stream().cuda_stream
        arguments = [_argument(v) for v in [*inputs, *results, *scalars.values()]] + [ctypes.c_void_p(stream)]
        address = ctypes.c_void_p.in_dll(self.library, f"{self.operator}_{kernel}_{element}").value
        ctypes.CFUNCTYPE(None, *(type(a) for a in arguments))(address)(*arguments)
        return flat
