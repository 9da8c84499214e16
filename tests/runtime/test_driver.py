import os
import shutil
import subprocess

import pytest

from jsra.runtime.driver import claim, query

# The four functions of the driver that are asked, for a machine with two GPUs.
SOURCE = r"""
int cuDriverGetVersion(int* v) { *v = 13000; return 0; }
int cuInit(unsigned f) { return INIT; }
int cuDeviceGetCount(int* n) { *n = COUNT; return 0; }
int cuDeviceGet(int* d, int i) { *d = i; return 0; }
int cuDeviceGetAttribute(int* v, int which, int d) { *v = which == 75 ? 8 + d : 6 - 6 * d; return 0; }
"""


def library(folder, **macros):
    compiler = shutil.which("gcc") or shutil.which("g++")
    if not compiler:
        pytest.skip("needs a C compiler")
    path = str(folder / "libcuda.so")
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    subprocess.run([compiler, "-xc", "-shared", "-fPIC", *flags, "-o", path, "-"], input=SOURCE, text=True, check=True)
    return path


def test_two_gpus(tmp_path):
    driver = query(library(tmp_path, INIT=0, COUNT=2))
    assert driver == ((13, 0), (86, 90), "")


def test_none_visible(tmp_path):
    driver = query(library(tmp_path, INIT=0, COUNT=0))
    assert driver.architectures == () and "CUDA_VISIBLE_DEVICES" in driver.problem


def test_the_driver_fails(tmp_path):
    assert query(library(tmp_path, INIT=100, COUNT=2)).problem == "the NVIDIA driver opens no GPU (CUDA error 100)"


def test_no_driver():
    assert query("libno_such_driver.so").problem.startswith("no NVIDIA driver")


@pytest.mark.parametrize("rank, expected", [(0, "0"), (1, "1"), (2, "0")])
def test_claiming_a_gpu_by_rank(tmp_path, monkeypatch, rank, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "x")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    for address in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / address).mkdir()
    claim(rank, str(tmp_path))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_claiming_nothing_where_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    claim(1, str(tmp_path))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
