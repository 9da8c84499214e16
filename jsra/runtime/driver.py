"""What the NVIDIA driver offers: its GPUs, and the newest CUDA that it supports.

The driver is queried with NVML, the library of nvidia-smi: after opening CUDA itself (cuInit), changes of
CUDA_VISIBLE_DEVICES would have no effect in this process, and its forked children could not use CUDA.
"""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple


class Driver(NamedTuple):
    """cuda: the newest CUDA that the driver supports, e.g. (13, 0); architectures: one per GPU, 90 means capability 9.0."""

    cuda: tuple
    architectures: tuple
    problem: str  # why no GPU can be used; '' if one can


def query(library: str = "libnvidia-ml.so.1") -> Driver:
    """Query the driver of this machine; it counts as without GPUs if CUDA_VISIBLE_DEVICES hides all of them."""
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return Driver((), (), f"no NVIDIA driver ({library}) on this machine{_container()}")
    error = nvml.nvmlInit_v2()
    if error != 0:
        return Driver((), (), f"the NVIDIA driver does not answer (NVML error {error})")
    try:
        number = ctypes.c_int(0)
        nvml.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(number))
        cuda = (number.value // 1000, number.value % 1000 // 10)
        number.value = 0
        error = nvml.nvmlDeviceGetCount_v2(ctypes.byref(number))
        found = [_architecture(nvml, i) for i in range(number.value)] if error == 0 else []
    finally:
        nvml.nvmlShutdown()
    if error != 0:
        return Driver(cuda, (), f"the NVIDIA driver cannot open a GPU (NVML error {error})")
    architectures = tuple(a for a in found if a)
    if not architectures:
        return Driver(cuda, (), "the NVIDIA driver shows no GPU to this process")
    if _hidden():
        shown = os.environ["CUDA_VISIBLE_DEVICES"]
        return Driver(cuda, (), f"CUDA_VISIBLE_DEVICES={shown!r} hides all {len(architectures)} GPUs of this machine")
    return Driver(cuda, architectures, "")


def _hidden() -> bool:
    """Whether CUDA_VISIBLE_DEVICES hides all GPUs: CUDA reads it up to the first entry that is not a GPU."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return not (first.isdigit() or first.startswith(("GPU-", "MIG-")))


def _container() -> str:
    try:
        ctypes.CDLL("libcuda.so.1")  # opening the library does not call cuInit
    except OSError:
        return ""
    return "; CUDA's own library is there: in a container, set NVIDIA_DRIVER_CAPABILITIES=compute,utility"


def _architecture(nvml, index):
    """The architecture of GPU `index`; 0 if this process may not open it."""
    device, major, minor = ctypes.c_void_p(), ctypes.c_int(0), ctypes.c_int(0)
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
        return 0
    if nvml.nvmlDeviceGetCudaComputeCapability(device, ctypes.byref(major), ctypes.byref(minor)) != 0:
        return 0
    return major.value * 10 + minor.value


def claim(rank: int, gpus: str = "/proc/driver/nvidia/gpus"):
    """Let this process see only one GPU, chosen by its rank on this machine. Must be called before CUDA is opened.

    Jittor chooses the device by rank only with NCCL; without NCCL, all processes would use the first GPU.
    """
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        names = [name for name in shown.split(",") if name.strip()]
    else:
        names = [str(i) for i in range(len(os.listdir(gpus)))] if os.path.isdir(gpus) else []
    if names:
        os.environ["CUDA_VISIBLE_DEVICES"] = names[rank % len(names)]
