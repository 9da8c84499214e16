"""`jsra doctor`: what was found on this machine, how jsra uses it, and how to install what is missing.

Jittor is not imported, because its first import compiles for minutes: everything is read from the places where Jittor looks.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from typing import NamedTuple

from jsra.runtime import before_jittor, cuda, cuda_parts, driver, home, python_config
from jsra.runtime.prepare import prepare
from jsra.version import __version__

_JITTOR = "1.3.11.0"
# Environment variables of the user that change what jsra and Jittor do; printed if set.
_SETTINGS = (
    "JITTOR_HOME", "nvcc_path", "cc_path", "use_mkl", "use_mpi", "use_cuda", "python_config_path", "cuda_archs",
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES", "JSRA_DATA",
)  # fmt: skip


class Row(NamedTuple):
    """state: 'ok', 'missing' (something needs it), or '-' (absent, but nothing on this machine needs it)."""

    name: str
    state: str
    text: str
    cure: str = ""


def report() -> str:
    """The whole report, one line for each item."""
    rows = [*_python(), *_compiler(), _onednn(), *_cuda(), _mpi(), _jdet(), _cache(), *_environment()]
    width = max(len(row.name) for row in rows)
    lines = [f"jsra {__version__}, {platform.platform()}, {os.cpu_count()} cores"]
    for row in rows:
        lines.append(f"{row.state:<8}{row.name:<{width}}  {row.text}")
        if row.cure:
            lines.append(f"{'':<8}{'':<{width}}  -> {row.cure}")
    missing = [row.name for row in rows if row.state == "missing"]
    lines.append(f"missing: {', '.join(missing)}" if missing else "nothing is missing")
    return "\n".join(lines)


def _version(distribution):
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _output(*command):
    """The output of a command, '' if it cannot be run."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _python():
    fits = (3, 8) <= sys.version_info[:2] <= (3, 12)
    cure = "" if fits else "Jittor 1.3.11 runs on Python 3.8 to 3.12"
    yield Row("Python", "ok" if fits else "missing", f"{platform.python_version()}, {sys.executable}", cure)
    numpy = _version("numpy")
    if numpy and int(numpy.split(".")[0]) < 2:
        yield Row("NumPy", "ok", numpy)
    else:
        yield Row("NumPy", "missing", numpy or "not installed", f"Jittor needs one before 2: {before_jittor.CURE}")
    jittor = _version("jittor")
    untried = f"tested only with {_JITTOR}: pip install jittor=={_JITTOR}"
    yield Row("Jittor", "ok" if jittor else "missing", jittor or "not installed", "" if jittor == _JITTOR else untried)


def _compiler():
    path = before_jittor.compiler()
    version = _output(path, "--version").split("\n")[0] if path else ""
    if version:
        yield Row("compiler", "ok", f"{version}, {path}")
    else:
        yield Row("compiler", "missing", path or "no g++ on PATH", "Jittor compiles with it: apt-get install g++")
    script = python_config.found()
    place = re.sub("^-I", "", _output(script, "--includes").split(" -I")[0])
    if script and place and os.path.isfile(os.path.join(place, "Python.h")):
        yield Row("Python.h", "ok", place)
    else:
        cure = f"Jittor compiles against it: apt-get install {python_config.PACKAGE}"
        yield Row("Python.h", "missing", place or "not found", cure)


def _onednn():
    said = prepare().get("onednn") or prepare().get("skipped")
    state, cure = ("missing" if said.startswith("missing") else "-" if said.startswith("off") else "ok"), ""
    if state == "missing":
        said, _, cure = said.partition(" (")
        cure = cure.partition(")")[0]
    return Row("oneDNN", state, said, cure)


def _cuda():
    said = prepare().get("cuda") or prepare().get("skipped")
    gpu = driver.query()
    wanted = not gpu.problem and os.environ.get("nvcc_path") == "" and said.startswith("off")
    if os.environ.get("nvcc_path") and not os.path.isfile(os.environ["nvcc_path"]):
        yield Row("CUDA", "missing", said, "nvcc_path names no file: correct it, or unset it")
    else:
        yield Row("CUDA", "missing" if wanted else "ok" if said.startswith("on") else "-", said)
    if gpu.problem:
        yield Row("  driver", "-", gpu.problem)
    else:
        capabilities = ", ".join(f"{a // 10}.{a % 10}" for a in gpu.architectures)
        text = f"CUDA up to {'.'.join(map(str, gpu.cuda))}, GPUs of compute capability {capabilities}"
        yield Row("  driver", "ok", text)
    nccl = cuda_parts.nccl()
    cure = "" if nccl else f"only for several GPUs: pip install {cuda_parts.NCCL_WHEEL}"
    yield Row("  NCCL", "ok" if nccl else "-", f"{nccl.version}, {nccl.place}" if nccl else "no wheel", cure)
    toolkit = cuda_parts.unaided() or cuda_parts.find(newest=gpu.cuda or None)
    if toolkit is None:
        yield Row("  toolkit", "-" if gpu.problem else "missing", "none", "pip install 'jsra[cuda13]'")
        return
    for part in toolkit.parts.values():
        if part.place:
            yield Row(f"  {part.name}", "ok", f"{part.version}, {part.place}")
        else:
            # Without a GPU nothing needs it; the line is for users who prepare a machine for one.
            lacking = toolkit._replace(parts={part.name: part})
            yield Row(f"  {part.name}", "-" if gpu.problem else "missing", "not found", cuda.remedy(lacking))


def _mpi():
    path = before_jittor.mpicc()
    cure = "for several processes: apt-get install openmpi-bin libopenmpi-dev"
    if not path:
        off = "use_mpi" in os.environ or "mpicc_path" in os.environ
        return Row("MPI", "-", "off (use_mpi or mpicc_path in the environment)" if off else "no mpicc on PATH", cure)
    version = _output(path, "--showme:version").split("\n")[0].replace(f"{path}: ", "")
    if not version:
        return Row("MPI", "missing", f"{path} is not Open MPI's, which Jittor needs (--showme)", cure)
    return Row("MPI", "ok", f"{version}, {path}")


def _jdet():
    if importlib.util.find_spec("jdet") is None:
        return Row(
            "JDet", "-", "not installed (optional: to run jsra's parts in JDet's runner)", "pip install 'jsra[jdet]'"
        )
    spec = importlib.util.find_spec("jdet")
    return Row("JDet", "ok", f"{_version('jdet')}, {os.path.dirname(spec.origin or '')}".lstrip(", "))


def _cache():
    directory, reason = home.place()
    place = home.cache(directory)
    size, operators = 0, 0
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                size += os.path.getsize(path) if os.path.exists(path) else 0
            operators += name.endswith(".so") and os.path.basename(folder) == "jit"
    free = shutil.disk_usage(place).free
    text = f"{place} ({reason}): {size / 1e6:.0f} MB, {operators} compiled operators, {free / 1e9:.0f} GB free on the disk"
    if not home.compiled(directory):
        text += "; Jittor is not compiled yet: its first import takes 2 to 4 minutes"
    return Row(
        "cache", "ok" if free > 2e9 else "missing", text, "" if free > 2e9 else "set JITTOR_HOME to a larger disk"
    )


def _environment():
    ours = prepare().get("environment", {})
    if ours:
        yield Row("set by jsra", "ok", " ".join(f"{name}={value!r}" for name, value in sorted(ours.items())))
    users = {name: os.environ[name] for name in _SETTINGS if name in os.environ and name not in ours}
    if users:
        yield Row("set by you", "ok", " ".join(f"{name}={value!r}" for name, value in sorted(users.items())))
