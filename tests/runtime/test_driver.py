import os
import shutil
import subprocess
import sys

import pytest

from jsra.runtime.driver import claim, query

# The functions of NVML that are asked, for a machine with GPUs of 8.6, 9.0 and so on; the GPU 7 may not be opened.
NVML = r"""
int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int* v) { *v = 13000; return 0; }
int nvmlDeviceGetCount_v2(int* n) { *n = COUNT; return 0; }
int nvmlDeviceGetHandleByIndex_v2(int i, void** d) { *d = (void*)(long)(i + 1); return i == 7 ? 4 : 0; }
int nvmlDeviceGetCudaComputeCapability(void* d, int* a, int* b) { *a = 7 + (long)d; *b = 12 - 6 * (long)d; return 0; }
"""
CUDA = r"""
#include <stdio.h>
int cuInit(unsigned f) { fprintf(stderr, "cuInit was called\n"); return 0; }
"""


def library(folder, source=NVML, name="libnvidia-ml.so.1", **macros):
    compiler = shutil.which("gcc") or shutil.which("g++")
    if not compiler:
        pytest.skip("needs a C compiler")
    path = str(folder / name)
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    subprocess.run([compiler, "-xc", "-shared", "-fPIC", *flags, "-o", path, "-"], input=source, text=True, check=True)
    return path


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "x")  # so that monkeypatch restores what `claim` sets
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


def test_two_gpus(tmp_path):
    assert query(library(tmp_path, INIT=0, COUNT=2)) == ((13, 0), (86, 90), "")


def test_a_gpu_that_may_not_be_opened_is_left_out(tmp_path):
    assert len(query(library(tmp_path, INIT=0, COUNT=8)).architectures) == 7


def test_none_there(tmp_path):
    driver = query(library(tmp_path, INIT=0, COUNT=0))
    assert driver.architectures == () and driver.problem == "the NVIDIA driver shows no GPU to this process"


@pytest.mark.parametrize(
    "shown, hides", [("", True), ("-1", True), ("NoDevFiles", True), ("1,-1", False), ("GPU-5ab", False)]
)
def test_hidden_gpus(tmp_path, monkeypatch, shown, hides):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    problem = query(library(tmp_path, INIT=0, COUNT=2)).problem
    assert problem == (f"CUDA_VISIBLE_DEVICES={shown!r} hides all 2 GPUs of this machine" if hides else "")


def test_the_driver_fails(tmp_path):
    assert query(library(tmp_path, INIT=9, COUNT=2)).problem == "the NVIDIA driver does not answer (NVML error 9)"


def test_no_driver():
    assert query("libno_such_driver.so").problem.startswith("no NVIDIA driver")


def test_importing_jsra_does_not_open_cuda(tmp_path):
    """CUDA_VISIBLE_DEVICES may be set after the import, and forked workers may use CUDA."""
    library(tmp_path, INIT=0, COUNT=1)
    library(tmp_path, CUDA, "libcuda.so.1")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "HOME": str(tmp_path), "JITTOR_HOME": str(tmp_path)}
    environment.pop("nvcc_path", None)
    code = "import jsra.runtime; from jsra.runtime.driver import query; print(query()); print(jsra.runtime.prepare()['cuda'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    asked, chosen = done.stdout.splitlines()
    assert asked == "Driver(cuda=(13, 0), architectures=(86,), problem='')" and "no NVIDIA driver" not in chosen
    assert "cuInit" not in done.stderr and done.returncode == 0, done.stderr


@pytest.mark.parametrize("rank, expected", [(0, "0"), (1, "1"), (2, "0")])
def test_claiming_a_gpu_by_rank(tmp_path, rank, expected):
    for address in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / address).mkdir()
    claim(rank, str(tmp_path))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_claiming_nothing_where_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    claim(1, str(tmp_path))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
