"""Find the parts of CUDA that Jittor needs: a compiler, its headers and libraries, and cuDNN.

A toolkit is a directory tree with nvcc and the CUDA runtime: the one shared by the PyPI wheels (nvidia/cu13), or one
installed on the system. The libraries may be in it, in wheels next to Python, or in the directories of the system's packages.
Nothing is run or loaded here: versions are read from headers and file names.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
from typing import NamedTuple

# The wheels of the extra `cuda13` (setup.py reads them here), in the versions that docs/gpu.md describes.
WHEELS = {
    "nvcc": "nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88",
    "cudart": "nvidia-cuda-runtime==13.0.96",
    "cccl": "nvidia-cuda-cccl==13.0.85",
    "cublas": "nvidia-cublas==13.1.0.3",
    "curand": "nvidia-curand==10.4.0.35",
    "cufft": "nvidia-cufft==12.0.0.61",
    "cusparse": "nvidia-cusparse==12.6.3.3 nvidia-nvjitlink==13.0.88",
    "cudnn": "nvidia-cudnn-cu13==9.19.0.56",
}

# For several GPUs; not part of the extra.
NCCL_WHEEL = "nvidia-nccl-cu13==2.32.3"


class Library(NamedTuple):
    """A library: one of its headers, and {CUDA's major version: the version in the file name}."""

    header: str
    soname: dict


LIBRARIES = {
    "cudart": Library("cuda_runtime.h", {11: ("11.0",), 12: ("12",), 13: ("13",)}),
    "cublas": Library("cublas_v2.h", {11: ("11",), 12: ("12",), 13: ("13",)}),
    "curand": Library("curand.h", {11: ("10",), 12: ("10",), 13: ("10",)}),
    "cufft": Library("cufft.h", {11: ("10",), 12: ("11",), 13: ("12",)}),
    "cusparse": Library("cusparse.h", {11: ("11",), 12: ("12",), 13: ("12",)}),
    "cudnn": Library("cudnn.h", {11: ("8",), 12: ("9", "8"), 13: ("9",)}),
}
SYSTEM_INCLUDE = ("/usr/include/x86_64-linux-gnu", "/usr/include")
SYSTEM_LIB = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")


class Part(NamedTuple):
    """A part that was looked for. include and lib are directories; place is '' if the part is missing."""

    name: str
    place: str
    version: str
    include: str = ""
    lib: str = ""


class Toolkit(NamedTuple):
    """root: the tree with bin/nvcc; cuda: its version, e.g. (13, 0); parts: {name: Part} for every name in WHEELS."""

    root: str
    cuda: tuple
    parts: dict
    is_wheels: bool

    @property
    def missing(self) -> list:
        """The names of the missing parts."""
        return [name for name, part in self.parts.items() if not part.place]


def cure(missing) -> str:
    """The pip command that installs the missing parts."""
    return "pip install " + " ".join(WHEELS[name] for name in missing)


def wheel_folders() -> list:
    """The `nvidia` folders of the Python installation, into which NVIDIA's wheels unpack."""
    folders = (os.path.join(path, "nvidia") for path in sys.path if path)
    return list(dict.fromkeys(os.path.realpath(f) for f in folders if os.path.isdir(f)))


def system_toolkits() -> list:
    """The roots of the toolkits installed on the system; one named in the environment comes first."""
    named = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    on_path = shutil.which("nvcc")
    if on_path:
        named.append(os.path.dirname(os.path.dirname(os.path.realpath(on_path))))
    usual = ["/usr/local/cuda", "/opt/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True)]
    roots = dict.fromkeys(os.path.realpath(root) for root in [*named, *usual] if root)
    return [root for root in roots if _is_toolkit(root)]


def find(nvidia=None, roots=None, newest=None):
    """The toolkit to use: the first complete one (wheels before system toolkits), otherwise the one with the fewest missing
    parts; None if there is none.

    Args:
        nvidia, roots: places to search instead of `wheel_folders()` and `system_toolkits()`.
        newest: the newest CUDA that the driver supports, e.g. (13, 0); toolkits of a later major version are ignored.
    """
    nvidia = wheel_folders() if nvidia is None else nvidia
    roots = system_toolkits() if roots is None else roots
    wheels = [root for folder in nvidia for root in sorted(glob.glob(os.path.join(folder, "cu[0-9]*")), reverse=True)]
    found = [_toolkit(root, nvidia, root in wheels) for root in [*wheels, *roots] if _is_toolkit(root)]
    found = [t for t in found if t.cuda[0] in (11, 12, 13) and (not newest or t.cuda[0] <= newest[0])]
    return min(found, key=lambda toolkit: len(toolkit.missing), default=None)


def unaided(roots=None):
    """A system toolkit that Jittor can use without help (before CUDA 12.8, cuDNN 8 where Jittor looks for it), or None."""
    for root in system_toolkits() if roots is None else roots:
        toolkit = _toolkit(root, [], False)
        cudnn = toolkit.parts["cudnn"]
        if toolkit.cuda < (12, 8) and cudnn.version.startswith("8.") and not toolkit.missing:
            return toolkit
    return None


def nccl(nvidia=None):
    """The wheel of NCCL as a Part, or None."""
    for folder in wheel_folders() if nvidia is None else nvidia:
        include, lib = os.path.join(folder, "nccl", "include"), os.path.join(folder, "nccl", "lib")
        path = os.path.join(lib, "libnccl.so.2")
        if os.path.isfile(path) and os.path.isfile(os.path.join(include, "nccl.h")):
            return Part("nccl", path, _version("nccl", path, include), include, lib)
    return None


def nvcc_of(toolkit) -> str:
    return os.path.join(toolkit.root, "bin", "nvcc")


def _is_toolkit(root):
    return os.path.isfile(os.path.join(root, "bin", "nvcc")) and _cuda_version(root) != ()


def _defined(path, name):
    """The number to which a header defines a macro, or None."""
    try:
        with open(path, encoding="utf8", errors="replace") as f:
            found = re.search(rf"^\s*#\s*define\s+{name}\s+(\d+)", f.read(), re.M)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def _cuda_version(root):
    """CUDA's version from the header of its runtime, e.g. (13, 0); () if there is none."""
    for include in _includes(root):
        number = _defined(os.path.join(include, "cuda_runtime_api.h"), "CUDART_VERSION")
        if number:
            return number // 1000, number % 1000 // 10
    # Wheels without nvidia-cuda-runtime: the name of the compiler's folder tells the CUDA version.
    name = re.fullmatch(r"cu(\d+)", os.path.basename(root))
    return (int(name.group(1)), 0) if name else ()


def _includes(root):
    return [os.path.join(root, "include"), os.path.join(root, "targets", "x86_64-linux", "include")]


def _libs(root):
    return [os.path.join(root, d) for d in ("lib64", "lib", os.path.join("targets", "x86_64-linux", "lib"))]


def _toolkit(root, nvidia, is_wheels):
    cuda = _cuda_version(root)
    includes, libs = _includes(root), _libs(root)
    for folder in nvidia:
        for place in _wheel_places(folder, cuda[0]):
            includes.append(os.path.join(place, "include"))
            libs.append(os.path.join(place, "lib"))
    parts = {"nvcc": _compiler(root, cuda)}
    for name in WHEELS:
        if name == "cccl":
            parts[name] = _cccl(root)
        elif name in LIBRARIES:
            own = name == "cudart"  # the runtime must come from the same toolkit as the compiler
            include, lib = (
                (_includes(root), _libs(root)) if own else ([*includes, *SYSTEM_INCLUDE], [*libs, *SYSTEM_LIB])
            )
            parts[name] = _library(name, cuda[0], include, lib)
    return Toolkit(root, cuda, parts, is_wheels)


def _wheel_places(nvidia, major):
    """The folders of wheels for one CUDA version: wheels of CUDA 13 share a folder; earlier ones, and cuDNN, have one
    each."""
    for name in sorted(os.listdir(nvidia)):
        shared = re.fullmatch(r"cu(\d+)", name)
        # nvidia-cudnn-cu12 and nvidia-cudnn-cu13 unpack into the same folder: only the dist-info next to it tells which.
        record = glob.glob(os.path.join(os.path.dirname(nvidia), f"nvidia_{name}_cu{major}-*.dist-info"))
        if int(shared.group(1)) == major if shared else record:
            yield os.path.join(nvidia, name)


def _compiler(root, cuda):
    """nvcc as a Part; it needs two helpers, the headers of the front end (crt) and the optimiser (nvvm)."""
    crt = any(os.path.isfile(os.path.join(i, "crt", "host_config.h")) for i in _includes(root))
    cicc = os.path.isfile(os.path.join(root, "nvvm", "bin", "cicc"))
    place = os.path.join(root, "bin", "nvcc") if crt and cicc else ""
    return Part("nvcc", place, _wheel_version(place, "nvcc") or ".".join(map(str, cuda)))


def _cccl(root):
    for include in _includes(root):
        for place in (os.path.join(include, "cccl"), include):
            number = _defined(os.path.join(place, "cub", "version.cuh"), "CUB_VERSION")
            if number:
                return Part("cccl", place, f"{number // 100000}.{number // 100 % 1000}.{number % 100}", place)
    return Part("cccl", "", "")


def _library(name, major, includes, libs):
    """A library as a Part: the first include directory and the first library directory with a fitting version."""
    library = LIBRARIES[name]
    for soname in library.soname[major]:
        lib = next((d for d in libs if os.path.exists(os.path.join(d, f"lib{name}.so.{soname}"))), None)
        include = next((d for d in includes if _header_fits(name, d, soname)), None)
        if lib and include:
            path = os.path.join(lib, f"lib{name}.so.{soname}")
            return Part(name, path, _version(name, path, include), include, lib)
    return Part(name, "", "")


def _header_fits(name, include, soname):
    if not os.path.isfile(os.path.join(include, LIBRARIES[name].header)):
        return False
    return name != "cudnn" or (cudnn_version(include) or "").split(".")[0] == soname


def cudnn_version(include) -> str | None:
    """cuDNN's version, e.g. '9.19.0', from its headers in a directory; None if there are none."""
    for header in ("cudnn_version.h", "cudnn.h"):
        numbers = [_defined(os.path.join(include, header), f"CUDNN_{p}") for p in ("MAJOR", "MINOR", "PATCHLEVEL")]
        if None not in numbers:
            return ".".join(map(str, numbers))
    return None


def _version(name, path, include):
    """A library's version: from its header, the full name of its file, or its wheel; otherwise the version of its soname."""
    if name == "cudnn":
        return cudnn_version(include)
    full = os.path.basename(os.path.realpath(path)).split(".so.")[-1]
    return full if full.count(".") >= 2 else _wheel_version(path, "runtime" if name == "cudart" else name) or full


def _wheel_version(path, name) -> str:
    """The version of the wheel nvidia-[cuda-]<name>[-cu13] that contains a file, '' if no wheel does."""
    site, inside, _ = path.partition(f"{os.sep}nvidia{os.sep}")
    for record in glob.glob(os.path.join(site, "nvidia_*.dist-info")) if inside else []:
        wheel, _, version = os.path.basename(record)[: -len(".dist-info")].rpartition("-")
        if re.fullmatch(rf"nvidia_(cuda_)?{name}(_cu\d+)?", wheel):
            return version
    return ""
