import os

import pytest

from jsra.runtime import cuda_parts
from tests.runtime import fake_cuda


@pytest.fixture(autouse=True)
def bare_system(monkeypatch, tmp_path):
    """No library of this machine is found."""
    monkeypatch.setattr(cuda_parts, "SYSTEM_INCLUDE", ())
    monkeypatch.setattr(cuda_parts, "SYSTEM_LIB", ())


def test_wheels_are_complete(tmp_path):
    toolkit = cuda_parts.find([fake_cuda.wheels(tmp_path)], [])
    assert toolkit.cuda == (13, 0) and toolkit.is_wheels and toolkit.missing == []
    versions = {name: part.version for name, part in toolkit.parts.items()}
    assert versions == {
        "nvcc": "13.0", "cudart": "13.0.96", "cccl": "3.0.1", "cublas": "13.1.0.3", "curand": "10", "cufft": "12",
        "cusparse": "12", "cudnn": "9.19.0",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["cublas", "curand", "cufft", "cusparse", "cudart"])
def test_a_missing_wheel_is_named_with_its_pip_line(tmp_path, name):
    nvidia = fake_cuda.wheels(tmp_path)
    soname = cuda_parts.LIBRARIES[name].soname[13][0]
    os.remove(f"{nvidia}/cu13/lib/lib{name}.so.{soname}")
    toolkit = cuda_parts.find([nvidia], [])
    assert toolkit.missing == [name]
    assert cuda_parts.cure(toolkit.missing) == f"pip install {cuda_parts.WHEELS[name]}"


def test_a_compiler_without_its_helpers_is_missing(tmp_path):
    nvidia = fake_cuda.wheels(tmp_path)
    os.remove(f"{nvidia}/cu13/nvvm/bin/cicc")
    assert cuda_parts.find([nvidia], []).missing == ["nvcc"]


def test_cudnn_of_another_cuda_does_not_count(tmp_path):
    assert cuda_parts.find([fake_cuda.wheels(tmp_path, cudnn_for="12")], []).missing == ["cudnn"]


def test_the_complete_one_of_wheels_and_toolkit_is_taken(tmp_path):
    nvidia, system = fake_cuda.wheels(tmp_path / "site"), str(tmp_path / "cuda")
    fake_cuda.compiler(system, "13", lib="lib64")
    fake_cuda.libraries(system, lib="lib64")
    fake_cuda.cudnn(system, "9.19.0", lib="lib64")
    assert cuda_parts.find([nvidia], [system]).root == f"{nvidia}/cu13", "both are complete: the wheels first"
    os.remove(f"{nvidia}/cu13/bin/nvcc")
    assert cuda_parts.find([nvidia], [system]).root == system


def test_a_toolkit_is_completed_by_wheels(tmp_path):
    """The system's compiler, with the libraries that pip brought."""
    nvidia, system = fake_cuda.wheels(tmp_path / "site"), str(tmp_path / "cuda")
    os.remove(f"{nvidia}/cu13/bin/nvcc")
    fake_cuda.compiler(system, "13", lib="lib64")
    toolkit = cuda_parts.find([nvidia], [system])
    assert toolkit.root == system and toolkit.missing == []
    assert toolkit.parts["cudart"].lib == f"{system}/lib64"
    assert toolkit.parts["cudnn"].lib == f"{nvidia}/cudnn/lib"


def test_a_cuda_12_toolkit_takes_cuda_12_libraries_only(tmp_path):
    nvidia, system = fake_cuda.wheels(tmp_path / "site"), str(tmp_path / "cuda")
    fake_cuda.compiler(system, "12", cuda=12080, lib="lib64", cub=200700, cccl="include")
    toolkit = cuda_parts.find([nvidia], [system], newest=(12, 8))
    assert toolkit.root == system, "a driver for CUDA 12 does not run the wheels' CUDA 13"
    assert toolkit.missing == ["cublas", "curand", "cufft", "cusparse", "cudnn"]


def test_nothing_found(tmp_path):
    assert cuda_parts.find([], []) is None
    assert cuda_parts.find([str(tmp_path)], [str(tmp_path)]) is None


@pytest.mark.parametrize(
    "cuda, cudnn, expected", [(12020, "8.9.7", True), (12020, "9.1.0", False), (12080, "8.9.7", False)]
)
def test_what_jittor_uses_unaided(tmp_path, cuda, cudnn, expected):
    system = str(tmp_path)
    fake_cuda.compiler(system, "12", cuda=cuda, lib="lib64", cub=200000, cccl="include")
    fake_cuda.libraries(system, lib="lib64", cublas="12", cufft="11")
    fake_cuda.cudnn(system, cudnn, lib="lib64")
    assert (cuda_parts.unaided([system]) is not None) == expected
