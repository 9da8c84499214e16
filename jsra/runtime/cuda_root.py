"""Build the merged root: one directory that looks to Jittor like a CUDA toolkit that it knows.

It contains links to the headers and libraries of the parts that `cuda_parts` found, under the names that Jittor opens; an
nvcc that compiles C++17, because CUDA 13's headers need it but Jittor asks for C++14; and four headers of ours (cuda_shims)
for functions that CUDA 13 and cuDNN 9 have removed. Jittor itself is not changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil

from jsra.runtime import cuda_parts

_SHIMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cuda_shims")
# Jittor opens the four libraries of cuDNN 8 by name; in cuDNN 9 there are two.
_CUDNN9 = {
    "libcudnn_ops_infer.so": "libcudnn_ops.so.9",
    "libcudnn_ops_train.so": "libcudnn_ops.so.9",
    "libcudnn_cnn_infer.so": "libcudnn_cnn.so.9",
    "libcudnn_cnn_train.so": "libcudnn_cnn.so.9",
}
_NVCC = """#!/bin/sh
# Written by jsra. Jittor asks for C++14; the headers of CUDA 13 need C++17.{ptx_comment}
for argument; do
  shift
  case $argument in
    *-std=c++14*) argument=${{argument%%-std=c++14*}}-std=c++17${{argument#*-std=c++14}} ;;{ptx_case}
  esac
  set -- "$@" "$argument"
done
exec '{nvcc}' "$@"
"""
_PTX_COMMENT = """
# Jittor compiles for no GPU newer than 9.0: the intermediate code added here lets the driver compile for newer ones."""
_PTX_CASE = """
    -code=sm_90) argument=-code=sm_90,compute_90 ;;"""


def build(toolkit, parent: str, ptx: bool = False) -> str:
    """Build the merged root of a complete toolkit in a directory under `parent`; returns its path.

    Args:
        toolkit: cuda_parts.Toolkit without missing parts.
        ptx: add intermediate code, for GPUs newer than those that Jittor knows.

    The name of the directory is a hash of its contents. An existing directory is not changed, so Jittor's compiled files stay
    valid, and two processes that build it at the same time write the same files.
    """
    if toolkit.missing:
        raise ValueError(f"the toolkit in {toolkit.root} lacks {', '.join(toolkit.missing)}")
    links, files = plan(toolkit, ptx)
    key = hashlib.sha256(repr((sorted(links.items()), sorted(files.items()))).encode()).hexdigest()[:12]
    root = os.path.join(parent, f"cuda-{key}")
    if os.path.isdir(root):
        return root
    unfinished = f"{root}.{os.getpid()}"
    for path, text in files.items():
        _make_parent(unfinished, path)
        with open(os.path.join(unfinished, path), "w", encoding="utf8") as f:
            f.write(text)
    for path, target in links.items():
        _make_parent(unfinished, path)
        os.symlink(target, os.path.join(unfinished, path))
    os.chmod(os.path.join(unfinished, "bin", "nvcc"), 0o755)
    try:
        os.rename(unfinished, root)
    except OSError:
        shutil.rmtree(unfinished)
        if not os.path.isdir(root):
            raise
    return root


def link_plain_name(part, parent: str) -> str:
    """Make a directory under `parent` with links to a part's library under its own name and as libX.so; returns its path."""
    key = hashlib.sha256(part.place.encode()).hexdigest()[:12]
    folder = os.path.join(parent, f"{part.name}-{key}")
    os.makedirs(folder, exist_ok=True)
    for name in (f"lib{part.name}.so", os.path.basename(part.place)):
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            unfinished = f"{path}.{os.getpid()}"
            os.symlink(part.place, unfinished)
            os.replace(unfinished, path)
    return folder


def plan(toolkit, ptx: bool = False) -> tuple:
    """({path in the root: what it links to}, {path in the root: the text of a file})."""
    files = {os.path.join("include", path): text for path, text in _shims()}
    nvcc = cuda_parts.nvcc_of(toolkit)
    files["bin/nvcc"] = _NVCC.format(
        nvcc=nvcc.replace("'", "'\\''"),
        ptx_comment=_PTX_COMMENT if ptx else "",
        ptx_case=_PTX_CASE if ptx else "",
    )
    links = {}
    cudnn = toolkit.parts["cudnn"]
    links["include/cudnn_installed.h"] = os.path.join(cudnn.include, "cudnn.h")
    for part in (toolkit.parts[name] for name in cuda_parts.LIBRARIES):
        # A directory of the system also has files of other libraries: take only those of this part.
        shared = part.include in cuda_parts.SYSTEM_INCLUDE
        for name in os.listdir(part.include):
            path = os.path.join("include", name)
            if path not in files and name != "cub" and not (shared and not name.startswith(part.name)):
                links.setdefault(path, os.path.join(part.include, name))
        for name in sorted(os.listdir(part.lib)):
            if _is_library(name, part, toolkit.cuda[0]):
                links.setdefault(os.path.join("lib64", name), os.path.join(part.lib, name))
    _add_plain_names(links, toolkit)
    return links, files


def _shims():
    for folder, _, names in os.walk(_SHIMS):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, encoding="utf8") as f:
                yield os.path.relpath(path, _SHIMS), f.read()


def _is_library(name, part, major):
    if not re.fullmatch(r"lib.*\.so(\.\d+)*|libcudadevrt\.a", name):
        return False
    if part.lib not in cuda_parts.SYSTEM_LIB:
        return True
    # The system's folder may contain several versions: take only the part's own, and no plain name (it may be another's).
    versions = cuda_parts.LIBRARIES[part.name].soname[major]
    return name.startswith(f"lib{part.name}") and any(re.search(rf"\.so\.{re.escape(v)}(\.|$)", name) for v in versions)


def _add_plain_names(links, toolkit):
    """libX.so for every libX.so.N, and the names of cuDNN 8 for the parts of cuDNN 9."""
    libraries = {os.path.basename(path): target for path, target in links.items() if path.startswith("lib64")}
    for name, target in sorted(libraries.items()):
        if ".so." in name:
            links.setdefault(os.path.join("lib64", name.split(".so.")[0] + ".so"), target)
    if toolkit.parts["cudnn"].version.startswith("9."):
        for name, part in _CUDNN9.items():
            links[os.path.join("lib64", name)] = libraries[part]


def _make_parent(root, path):
    os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
