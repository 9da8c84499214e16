"""Every launch function of cuda_src, with one translation unit per operator, for nvcc only: without Jittor, without a GPU."""

from __future__ import annotations

import glob
import os
import re
import subprocess

from jsra import resources

CUDA_SRC = resources.folder("cuda_src")
# What a launch function's template parameters stand for: T the features; B boxes and M masks next to them; I, N scratch.
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
            found = re.search(rf"(?:template <([^>]*)>\s*\n)?(?:inline )?void {operator}_{kernel}\(", file.read())
        if not found:
            raise ValueError(f"{path} has no launch function {operator}_{kernel}")
        lines.append(f'#include "{operator}/{kernel}.cuh"')
        names = [parameter.split()[-1] for parameter in (found.group(1) or "").split(",") if parameter]
        for element in elements[:1] if operator in FLOAT_ONLY or not names else elements:
            types = ", ".join(TYPES.get(name, element) for name in names)
            instance = f"{operator}_{kernel}<{types}>" if names else f"{operator}_{kernel}"
            pointers.append(f"auto* {operator}_{kernel}_{element} = &jsra::cuda::{instance};")
    return "\n".join([*lines, 'extern "C" {', *pointers, "}", ""])
