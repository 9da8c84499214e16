"""What the NVIDIA driver offers: its GPUs, and the newest CUDA it can run."""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple


class Driver(NamedTuple):
    """cuda: the newest CUDA of the driver, (13, 0); architectures: one for each GPU, 90 for compute capability 9.0."""

    cuda: tuple
    architectures: tuple
    problem: str  # why no GPU can be used; '' if one can


_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


def query(library: str = "libcuda.so.1") -> Driver:
    """Ask the driver; does not create a context on any GPU."""
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return Driver((), (), "no NVIDIA driver (libcuda.so.1) on this machine")
    number = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(number))
    cuda = (number.value // 1000, number.value % 1000 // 10)
    error = driver.cuInit(0)
    if error == 0:
        error = driver.cuDeviceGetCount(ctypes.byref(number))
    if error != 0:
        return Driver(cuda, (), f"the NVIDIA driver opens no GPU (CUDA error {error})")
    if number.value == 0:
        return Driver(cuda, (), "the NVIDIA driver shows no GPU to this process (CUDA_VISIBLE_DEVICES?)")
    return Driver(cuda, tuple(_architecture(driver, i) for i in range(number.value)), "")


def claim(rank: int, gpus: str = "/proc/driver/nvidia/gpus"):
    """Show this process one GPU only, the one of its rank on this machine; must come before `query` opens the driver.

    Jittor sets the device by rank only with NCCL: without it, all processes would work on the first GPU.
    """
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        names = [name for name in shown.split(",") if name.strip()]
    else:
        names = [str(i) for i in range(len(os.listdir(gpus)))] if os.path.isdir(gpus) else []
    if names:
        os.environ["CUDA_VISIBLE_DEVICES"] = names[rank % len(names)]


def _architecture(driver, index):
    device, major, minor = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    return major.value * 10 + minor.value
