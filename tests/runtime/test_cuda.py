import os

import pytest

from jsra.runtime import cuda, cuda_parts
from jsra.runtime.driver import Driver
from tests.runtime import fake_cuda

H200 = Driver((13, 0), (90,), "")
NAMES = (
    "nvcc_path", "use_cutt", "use_cutlass", "use_nccl", "nccl_lib_path", "nccl_include_path", "CPLUS_INCLUDE_PATH",
    "CUDA_VISIBLE_DEVICES", "OMPI_COMM_WORLD_LOCAL_RANK",
)  # fmt: skip


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a GPU, the wheels, and nothing else; the environment is restored afterwards."""
    for name in NAMES:
        monkeypatch.setenv(name, "x")  # so that monkeypatch restores what `choose` sets
        monkeypatch.delenv(name)
    nvidia = fake_cuda.wheels(tmp_path / "site")
    monkeypatch.setattr(cuda, "query", lambda: H200)
    monkeypatch.setattr(cuda_parts, "wheel_folders", lambda: [nvidia])
    monkeypatch.setattr(cuda_parts, "system_toolkits", lambda: [])
    monkeypatch.setattr(cuda_parts, "SYSTEM_INCLUDE", ())
    monkeypatch.setattr(cuda_parts, "SYSTEM_LIB", ())
    return tmp_path


def test_the_wheels_are_used(machine):
    said = cuda.choose(str(machine))
    assert said.startswith("on: CUDA 13.0 and cuDNN 9.19.0, from ")
    nvcc = os.environ["nvcc_path"]
    assert nvcc.startswith(str(machine / ".cache" / "jittor" / "jsra")) and os.access(nvcc, os.X_OK)
    assert os.environ["CPLUS_INCLUDE_PATH"].endswith(os.path.join("jittor", "extern", "cuda", "inc"))
    assert {os.environ[name] for name in ("use_cutt", "use_cutlass", "use_nccl")} == {"0"}, "each would be downloaded"


def test_a_compiler_on_path_without_a_gpu_is_not_used(machine, monkeypatch):
    monkeypatch.setattr(cuda, "query", lambda: Driver((), (), "no NVIDIA driver"))
    fake_cuda.compiler(str(machine / "cuda"), "13")
    monkeypatch.setenv("PATH", str(machine / "cuda" / "bin"), prepend=os.pathsep)
    assert cuda.choose(str(machine)) == "off: no NVIDIA driver"
    assert os.environ["nvcc_path"] == ""


def test_the_users_choice_stands(machine, monkeypatch):
    monkeypatch.setenv("nvcc_path", "/mine/nvcc")
    assert cuda.choose(str(machine)) == "as set in the environment: nvcc_path='/mine/nvcc'"
    assert os.environ["nvcc_path"] == "/mine/nvcc" and "use_cutt" not in os.environ


def test_the_users_switches_and_include_path_stand(machine, monkeypatch):
    monkeypatch.setenv("use_cutt", "1")
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", "/mine")
    cuda.choose(str(machine))
    assert os.environ["use_cutt"] == "1"
    assert os.environ["CPLUS_INCLUDE_PATH"].split(os.pathsep)[1:] == ["/mine"]
    del os.environ["nvcc_path"]
    cuda.choose(str(machine))
    assert len(os.environ["CPLUS_INCLUDE_PATH"].split(os.pathsep)) == 2, "not added twice"


def test_a_working_toolkit_is_left_as_it_is(machine, monkeypatch):
    system = str(machine / "cuda")
    fake_cuda.compiler(system, "12", cuda=12020, lib="lib64", cub=200000, cccl="include")
    fake_cuda.libraries(system, lib="lib64", cublas="12", cufft="11")
    fake_cuda.cudnn(system, "8.9.7", lib="lib64")
    monkeypatch.setattr(cuda_parts, "system_toolkits", lambda: [system])
    assert cuda.choose(str(machine)) == f"on: CUDA 12.2 in {system}"
    assert os.environ["nvcc_path"] == f"{system}/bin/nvcc" and "CPLUS_INCLUDE_PATH" not in os.environ


def test_jittors_own_toolkit_is_left_as_it_is(machine):
    os.makedirs(machine / ".cache" / "jittor" / "jtcuda")
    assert cuda.choose(str(machine)).startswith("on: the toolkit that Jittor installed")
    assert "nvcc_path" not in os.environ


def test_a_missing_part_switches_off_and_says_how_to_bring_it(machine):
    os.remove(machine / "site" / "nvidia" / "cu13" / "lib" / "libcurand.so.10")
    said = cuda.choose(str(machine))
    assert said.startswith("off: ") and said.endswith("lacks curand: pip install nvidia-curand==10.4.0.35")
    assert os.environ["nvcc_path"] == ""


def test_nothing_installed(machine, monkeypatch):
    monkeypatch.setattr(cuda_parts, "wheel_folders", lambda: [])
    assert cuda.choose(str(machine)) == "off: no CUDA toolkit: pip install 'jsra[cuda13]'"


def test_an_old_driver(machine, monkeypatch):
    monkeypatch.setattr(cuda, "query", lambda: Driver((12, 4), (80,), ""))
    assert "the driver runs CUDA up to 12.4" in cuda.choose(str(machine))


def test_an_old_gpu(machine, monkeypatch):
    monkeypatch.setattr(cuda, "query", lambda: Driver((13, 0), (70,), ""))
    assert cuda.choose(str(machine)).startswith("off: CUDA 13 supports no GPU before")


@pytest.mark.parametrize("architecture, ptx", [(90, False), (100, True)])
def test_a_gpu_newer_than_jittor(machine, monkeypatch, architecture, ptx):
    monkeypatch.setattr(cuda, "query", lambda: Driver((13, 0), (architecture,), ""))
    cuda.choose(str(machine))
    with open(os.environ["nvcc_path"], encoding="utf8") as f:
        assert ("compute_90" in f.read()) == ptx


def test_nccl_from_its_wheel(machine):
    fake_cuda.write(f"{machine}/site/nvidia/nccl/include/nccl.h")
    fake_cuda.write(f"{machine}/site/nvidia/nccl/lib/libnccl.so.2")
    assert cuda.choose(str(machine)).startswith("on: ")
    assert "use_nccl" not in os.environ and os.environ["nccl_include_path"].endswith("nvidia/nccl/include")
    assert os.path.isfile(os.path.join(os.environ["nccl_lib_path"], "libnccl.so"))
    del os.environ["nvcc_path"], os.environ["nccl_lib_path"]
    assert cuda.choose(str(machine)).startswith("on: "), "the links are there already"


def test_nccl_is_not_used_against_the_users_will(machine, monkeypatch):
    fake_cuda.write(f"{machine}/site/nvidia/nccl/include/nccl.h")
    fake_cuda.write(f"{machine}/site/nvidia/nccl/lib/libnccl.so.2")
    monkeypatch.setenv("use_nccl", "0")
    cuda.choose(str(machine))
    assert "nccl_lib_path" not in os.environ


def test_each_process_of_mpi_has_its_own_gpu(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "4")
    cuda.choose(str(machine))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5", "three GPUs, the fifth process"


def test_nccl_gives_the_gpus_out_itself(machine, monkeypatch):
    fake_cuda.write(f"{machine}/site/nvidia/nccl/include/nccl.h")
    fake_cuda.write(f"{machine}/site/nvidia/nccl/lib/libnccl.so.2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1")
    cuda.choose(str(machine))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5,6"
