"""Every CUDA kernel of cuda_src compiles for GPUs from sm_70 on, with each element type, one translation unit an operator."""

import os
import shutil
import subprocess

import pytest

from tests.gpu.instances import CUDA_SRC, architectures, instances, operators


@pytest.fixture(scope="module")
def nvcc():
    found = shutil.which("nvcc")
    if not found:
        pytest.skip("no nvcc on PATH: the CUDA kernels are tested on the host only")
    return found


@pytest.mark.parametrize("operator", operators())
def test_compiles(operator, nvcc, tmp_path):
    source = tmp_path / f"{operator}.cu"
    source.write_text(instances(operator))
    # CUDA 13 has no sm_70 any more: `architectures` then takes its oldest, sm_75.
    targets = [f"-gencode=arch=compute_{n},code=sm_{n}" for n in architectures(nvcc)]
    command = [nvcc, "-std=c++17", "-O1", "--threads", "0", "-fatbin", f"-I{CUDA_SRC}", *targets, "-o", os.devnull]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
