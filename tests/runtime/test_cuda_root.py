import os
import subprocess

import pytest

from jsra.runtime import cuda_parts, cuda_root
from tests.runtime import fake_cuda


@pytest.fixture
def toolkit(tmp_path):
    return cuda_parts.find([fake_cuda.wheels(tmp_path / "site")], [])


def run_nvcc(root, *arguments):
    """The arguments that the real nvcc is given; the fake one prints them."""
    done = subprocess.run([os.path.join(root, "bin", "nvcc"), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_headers(toolkit, tmp_path):
    root = cuda_root.build(toolkit, str(tmp_path / "cache"))
    for name in ("cuda_runtime.h", "cublas_v2.h", "curand.h", "cufft.h", "cusparse.h", "cudnn_version.h", "crt"):
        assert os.path.exists(os.path.join(root, "include", name)), name
    for name in ("cudnn.h", "helper_cuda.h", "npp.h", os.path.join("cub", "cub.cuh")):
        path = os.path.join(root, "include", name)
        assert os.path.isfile(path) and not os.path.islink(path), f"{name} is to be jsra's own"
    installed = os.path.join(root, "include", "cudnn_installed.h")
    assert os.path.realpath(installed) == os.path.realpath(os.path.join(toolkit.parts["cudnn"].include, "cudnn.h"))


def test_libraries_have_the_names_that_jittor_opens(toolkit, tmp_path):
    root = cuda_root.build(toolkit, str(tmp_path / "cache"))
    plain = ("cudart", "cublas", "cublasLt", "curand", "cufft", "cusparse", "cudnn")
    old = ("cudnn_ops_infer", "cudnn_ops_train", "cudnn_cnn_infer", "cudnn_cnn_train")
    for name in (*plain, *old):
        assert os.path.exists(os.path.join(root, "lib64", f"lib{name}.so")), name
    assert os.readlink(os.path.join(root, "lib64", "libcudnn_cnn_train.so")).endswith("libcudnn_cnn.so.9")
    assert os.path.exists(os.path.join(root, "lib64", "libcublas.so.13")), (
        "libraries find each other by their own names"
    )
    assert os.path.exists(os.path.join(root, "lib64", "libcudadevrt.a"))


def test_nvcc_compiles_as_cpp17_and_keeps_its_arguments(toolkit, tmp_path):
    nvcc = os.path.join(cuda_root.build(toolkit, str(tmp_path / "cache")), "bin", "nvcc")
    assert os.path.isfile(nvcc) and not os.path.islink(nvcc), "Jittor resolves a link and looks for the headers there"
    given = ["-std=c++14", "-DA=a b", 'say "x"', "-code=sm_90", "", "-Xcompiler", "-std=c++14-x"]
    expected = ["-std=c++17", "-DA=a b", 'say "x"', "-code=sm_90", "", "-Xcompiler", "-std=c++17-x"]
    assert run_nvcc(os.path.dirname(os.path.dirname(nvcc)), *given) == expected


def test_intermediate_code_for_newer_gpus(toolkit, tmp_path):
    root = cuda_root.build(toolkit, str(tmp_path / "cache"), ptx=True)
    assert run_nvcc(root, "-arch=compute_90", "-code=sm_90") == ["-arch=compute_90", "-code=sm_90,compute_90"]


def test_the_same_root_is_used_again(toolkit, tmp_path):
    parent = str(tmp_path / "cache")
    root = cuda_root.build(toolkit, parent)
    before = os.stat(os.path.join(root, "bin", "nvcc")).st_mtime_ns
    assert cuda_root.build(toolkit, parent) == root
    assert os.stat(os.path.join(root, "bin", "nvcc")).st_mtime_ns == before
    assert os.listdir(parent) == [os.path.basename(root)], "nothing unfinished is left"


def test_another_toolkit_gets_another_root(toolkit, tmp_path):
    other = cuda_parts.find([fake_cuda.wheels(tmp_path / "other")], [])
    parent = str(tmp_path / "cache")
    assert cuda_root.build(toolkit, parent) != cuda_root.build(other, parent)


def test_cudnn_8_needs_no_other_names(tmp_path):
    system = str(tmp_path / "cuda")
    fake_cuda.compiler(system, "12", cuda=12080, lib="lib64", cub=200700, cccl="include")
    fake_cuda.libraries(system, lib="lib64", cublas="12", cufft="11")
    fake_cuda.cudnn(system, "8.9.7", lib="lib64")
    root = cuda_root.build(cuda_parts.find([], [system]), str(tmp_path / "cache"))
    assert os.readlink(os.path.join(root, "lib64", "libcudnn_ops_infer.so")).endswith("libcudnn_ops_infer.so.8")


def test_an_incomplete_toolkit_is_refused(tmp_path):
    nvidia = fake_cuda.wheels(tmp_path / "site")
    os.remove(f"{nvidia}/cudnn/lib/libcudnn.so.9")
    with pytest.raises(ValueError, match="lacks cudnn"):
        cuda_root.build(cuda_parts.find([nvidia], []), str(tmp_path / "cache"))


def test_the_systems_folders_give_only_what_belongs_to_the_part(tmp_path, monkeypatch):
    """cuDNN from the distribution's packages lies among everything else that is installed."""
    include, lib = str(tmp_path / "usr" / "include"), str(tmp_path / "usr" / "lib")
    monkeypatch.setattr(cuda_parts, "SYSTEM_INCLUDE", (include,))
    monkeypatch.setattr(cuda_parts, "SYSTEM_LIB", (lib,))
    nvidia = fake_cuda.wheels(tmp_path / "site", cudnn_for="12")
    fake_cuda.cudnn(str(tmp_path / "usr"), "9.19.0")
    fake_cuda.write(f"{include}/stdio.h")
    fake_cuda.write(f"{lib}/libc.so.6")
    fake_cuda.write(f"{lib}/libcudnn.so.8")
    root = cuda_root.build(cuda_parts.find([nvidia], []), str(tmp_path / "cache"))
    assert not os.path.exists(os.path.join(root, "include", "stdio.h"))
    assert not os.path.exists(os.path.join(root, "lib64", "libc.so.6"))
    assert os.readlink(os.path.join(root, "lib64", "libcudnn.so")) == f"{lib}/libcudnn.so.9"
    assert os.readlink(os.path.join(root, "lib64", "libcudnn_ops_infer.so")) == f"{lib}/libcudnn_ops.so.9"
