"""Decides whether and how Jittor uses CUDA, and tells it through environment variables. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
import os

from jsra.runtime import cuda_parts, cuda_root
from jsra.runtime.driver import claim, query

# What Jittor would download at its first import with CUDA, and the file that shows that it exists already.
_DOWNLOADS = {
    "use_cutt": "cutt/cutt-1.2.zip",
    "use_cutlass": "cutlass/cutlass/include/cutlass/cutlass.h",
    "use_nccl": "nccl/nccl-2.8.4-1/build/lib/libnccl.so",
}


def choose(home: str) -> str:
    """Tell Jittor which nvcc to use, or none, and return one sentence about the choice.

    An nvcc on PATH without a usable GPU breaks Jittor's import, and for a GPU without nvcc Jittor downloads a toolkit: in
    both cases CUDA is switched off with nvcc_path="". A setup that Jittor can use without help is not changed: nvcc_path in
    the environment, the toolkit that Jittor has installed itself, or one before CUDA 12.8 with cuDNN 8. For everything newer,
    see cuda_root.
    """
    if "nvcc_path" in os.environ:
        return f"as set in the environment: nvcc_path={os.environ['nvcc_path']!r}"
    cache = os.path.join(home, ".cache", "jittor")
    rank = os.environ.get("OMPI_COMM_WORLD_LOCAL_RANK")
    if not _use_nccl(cache) and rank is not None:
        claim(int(rank))
    driver = query()
    if driver.problem:
        return _off(driver.problem)
    _prevent_downloads(cache)
    if os.path.isdir(os.path.join(cache, "jtcuda")):
        return f"on: the toolkit that Jittor installed in {os.path.join(cache, 'jtcuda')}"
    toolkit = cuda_parts.unaided()
    if toolkit:
        os.environ["nvcc_path"] = cuda_parts.nvcc_of(toolkit)
        return f"on: CUDA {_dotted(toolkit.cuda)} in {toolkit.root}"
    toolkit = cuda_parts.find(newest=driver.cuda)
    if toolkit is None or toolkit.missing:
        return _off(why_not(driver, toolkit))
    if toolkit.cuda[0] >= 13 and min(driver.architectures) < 75:
        return _off("CUDA 13 supports no GPU before compute capability 7.5: install CUDA 12.2 with cuDNN 8")
    use(cuda_root.build(toolkit, os.path.join(cache, "jsra"), ptx=max(driver.architectures) > 90))
    return f"on: CUDA {_dotted(toolkit.cuda)} and cuDNN {toolkit.parts['cudnn'].version}, from {toolkit.root}"


def why_not(driver, toolkit) -> str:
    """One sentence: what is missing for Jittor to use CUDA with this driver, and what to do."""
    if driver.cuda < (13, 0) and (toolkit is None or toolkit.is_wheels):
        return (
            f"the driver runs CUDA up to {_dotted(driver.cuda)}, the wheels of jsra[cuda13] need 13.0: update the driver "
            "to 580 or later, or install CUDA 12 with cuDNN 8 on the system"
        )
    if toolkit is None:
        return "no CUDA toolkit: pip install 'jsra[cuda13]'"
    return f"CUDA {_dotted(toolkit.cuda)} in {toolkit.root} lacks {', '.join(toolkit.missing)}: {remedy(toolkit)}"


def remedy(toolkit) -> str:
    """How to install the missing parts of a toolkit."""
    if toolkit.cuda[0] == 13:
        return cuda_parts.cure(toolkit.missing)
    names = [f"nvidia-{name}-cu{toolkit.cuda[0]}" for name in toolkit.missing if name not in ("nvcc", "cudart", "cccl")]
    return "pip install " + " ".join(names) if names else "reinstall the toolkit, or pip install 'jsra[cuda13]'"


def use(root: str):
    """Make Jittor use a merged root. It compiles while it runs, so these variables stay set for the whole process."""
    os.environ["nvcc_path"] = os.path.join(root, "bin", "nvcc")
    # With -I, Jittor's own helper_cuda.h is found before ours; a directory that is also a system directory is searched last.
    spec = importlib.util.find_spec("jittor")
    if spec and spec.submodule_search_locations:
        headers = os.path.join(spec.submodule_search_locations[0], "extern", "cuda", "inc")
        others = [p for p in os.environ.get("CPLUS_INCLUDE_PATH", "").split(os.pathsep) if p and p != headers]
        os.environ["CPLUS_INCLUDE_PATH"] = os.pathsep.join([headers, *others])


def _use_nccl(cache) -> bool:
    """Make Jittor use an installed NCCL; returns whether there is one. Jittor opens libnccl.so, which the wheel lacks."""
    if os.environ.get("use_nccl", "1") != "1":
        return False
    if "nccl_lib_path" in os.environ or os.path.exists(os.path.join(cache, _DOWNLOADS["use_nccl"])):
        return True
    part = cuda_parts.nccl()
    if part is None:
        return False
    os.environ["nccl_include_path"] = part.include
    os.environ["nccl_lib_path"] = cuda_root.link_plain_name(part, os.path.join(cache, "jsra"))
    return True


def _prevent_downloads(cache):
    for name, file in _DOWNLOADS.items():
        elsewhere = name == "use_nccl" and "nccl_lib_path" in os.environ
        if not elsewhere and not os.path.exists(os.path.join(cache, file)):
            os.environ.setdefault(name, "0")


def _off(reason):
    os.environ["nvcc_path"] = ""
    return f"off: {reason}"


def _dotted(version):
    return ".".join(map(str, version)) or "unknown"
