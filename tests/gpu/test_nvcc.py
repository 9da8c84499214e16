"""The CUDA files with nvcc only, without Jittor: all compile for GPUs from sm_70 on; a failing launch is an error."""

import hashlib
import os
import shutil
import subprocess

import pytest

from jsra.ops.kernel_files import included
from tests.gpu.instances import CUDA_SRC, architectures, instances, operators


@pytest.fixture(scope="module")
def nvcc():
    found = shutil.which("nvcc")
    if not found:
        pytest.skip("no nvcc on PATH: the CUDA kernels are tested on the host only")
    return found


@pytest.mark.parametrize("operator", operators())
def test_compiles(operator, nvcc, tmp_path, pytestconfig):
    """Takes up to a minute; files that this compiler has compiled before are not compiled again."""
    text, source = instances(operator), tmp_path / f"{operator}.cu"
    # CUDA 13 has no sm_70 any more: `architectures` then takes its oldest, sm_75.
    targets = [f"-gencode=arch=compute_{n},code=sm_{n}" for n in architectures(nvcc)]
    command = [nvcc, "-std=c++17", "-O1", "--threads", "0", "-fatbin", *targets, "-o", os.devnull]
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    given = hashlib.sha256(repr([version, command, text, sorted(included(text, CUDA_SRC).items())]).encode()).hexdigest()
    cache, key = getattr(pytestconfig, "cache", None), f"jsra/nvcc/{operator}"
    if cache is None or cache.get(key, None) != given:
        source.write_text(text)
        done = subprocess.run([*command, f"-I{CUDA_SRC}", str(source)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        if cache is not None:
            cache.set(key, given)


LAUNCH = """
#include <cstdio>
#include "common/launch.h"
__global__ void fill_kernel(float* out, int count) { out[0] = count; }
void fill(float* out, unsigned threads) {
  auto* kernel = fill_kernel;
  JSRA_LAUNCH(kernel, 1, threads, 0, (cudaStream_t)0, out, 5);
}
int main() {
  try {
    fill(nullptr, 4096);
  } catch (const std::exception& error) {
    std::printf("%s", error.what());
  }
}
"""


def test_a_launch_that_fails_says_which(nvcc, tmp_path):
    """4096 threads of a block, which no GPU takes; without a GPU the launch fails too, for another reason."""
    source, program = tmp_path / "launch.cu", str(tmp_path / "launch")
    source.write_text(LAUNCH)
    subprocess.run([nvcc, "-std=c++17", f"-I{CUDA_SRC}", "-o", program, str(source)], check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("CUDA kernel of fill was not launched: ") and "1 blocks of 4096 threads, 0 bytes" in printed
