"""Whether Jittor is to use CUDA: only with a GPU that the driver can open."""
import ctypes
import os
import shutil


def device_count() -> int:
    """The number of GPUs that the NVIDIA driver offers to this process; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def choose() -> str:
    """Tell Jittor which nvcc to use, and return one sentence on the choice.

    An nvcc on PATH without a usable GPU breaks Jittor's import, and without any nvcc Jittor downloads a toolkit: in both
    cases CUDA is switched off with nvcc_path="".
    """
    if "nvcc_path" in os.environ:
        return f"as the environment says: nvcc_path={os.environ['nvcc_path']!r}"
    if device_count() == 0:
        os.environ["nvcc_path"] = ""
        return "off: no GPU that the driver can open"
    found = shutil.which("nvcc") or next(
        (p for p in ("/usr/local/cuda/bin/nvcc", "/opt/cuda/bin/nvcc") if os.path.isfile(p)), None
    )
    if found is None:
        os.environ["nvcc_path"] = ""
        return "off: a GPU but no nvcc"
    return f"on: {found}"
