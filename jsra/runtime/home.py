"""Jittor's home: the directory under which it compiles and caches."""

import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib import metadata


def place() -> tuple:
    """(the directory that Jittor will use, the reason): $JITTOR_HOME, else an earlier $JITTOR_HOME, else the user's home."""
    if os.environ.get("JITTOR_HOME"):
        return os.path.abspath(os.path.expanduser(os.environ["JITTOR_HOME"])), "$JITTOR_HOME"
    user, remembered = os.path.expanduser("~"), _noted().get("JITTOR_HOME")
    if not remembered or os.path.abspath(remembered) == os.path.abspath(user):
        return user, "in the home directory"
    reason = f"an earlier $JITTOR_HOME, noted by Jittor in {_note()}: delete that file to forget it"
    return os.path.abspath(remembered), reason


def _note() -> str:
    """The file in which Jittor notes where its home is."""
    return os.path.join(os.path.expanduser("~"), ".cache", "jittor", "config.json")


def _noted() -> dict:
    """The content of Jittor's note, {} if there is none or if Jittor cannot use it."""
    try:
        with open(_note(), encoding="utf8") as f:
            found = json.load(f)
    except (OSError, ValueError):
        return {}
    place = found.get("JITTOR_HOME", "~") if isinstance(found, dict) else None
    return found if isinstance(place, str) and place else {}


def _repair_note():
    """Remove a note that Jittor cannot read (cut by a full disk, or by hand), with which its import fails."""
    if os.path.isfile(_note()) and not _noted():
        with contextlib.suppress(OSError):  # another process was faster; or the folder cannot be written, which is said then
            os.remove(_note())


def expand():
    """Replace `~` in $JITTOR_HOME, which a shell does, but not a Dockerfile: Jittor would make a folder of this name."""
    if os.environ.get("JITTOR_HOME", "").startswith("~"):
        os.environ["JITTOR_HOME"] = place()[0]


def cache(directory: str) -> str:
    """Jittor's cache folder in a directory as returned by `place`."""
    return os.path.join(directory, ".cache", "jittor")


def compiled(directory: str) -> bool:
    """Whether the cache of a directory contains the Jittor that this process would compile."""
    return bool(glob.glob(os.path.join(_core(directory), "jittor_core*.so")))


def _core(directory: str) -> str:
    """The folder in which Jittor compiles itself, as a pattern for glob: another one for another compiler, kernel, host name
    or virtual environment. Jittor's own function (jittor_utils.find_cache_path) would make it, and note $JITTOR_HOME."""
    compiler, name = os.environ.get("cc_path") or "g++", re.sub(r"[ (){}]", "_", os.environ.get("cache_name", "default"))
    system = platform.platform() + platform.node()
    if len(system) > 14:
        system = f"{system[:14]}x{_digest(system)[:2]}"
    found = importlib.util.find_spec("jittor_utils")
    installed = _digest(found.origin)[:4] if found and found.origin else None
    if installed and os.environ.get("debug") == "1":
        installed += "_debug"
    parts = (_jittor(), _version_of(compiler), f"py{platform.python_version()}", system, _processor(), installed)
    gpu = ["cu*"] if os.environ.get("nvcc_path") else []
    return os.path.join(glob.escape(cache(directory)), *map(_short, parts), glob.escape(name), *gpu)


def _jittor():
    try:
        return "jt" + metadata.version("jittor").rpartition(".")[0]
    except metadata.PackageNotFoundError:
        return None


def _version_of(compiler):
    """The compiler's kind and version as in the names of Jittor's folders; None if it cannot be run."""
    try:
        said = subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace").stdout
    except OSError:
        return None
    found = re.findall(r"[0-9]+\.[0-9]+\.[0-9]+", said) or re.findall(r"[0-9]+\.[0-9]+", said)
    kind = next((k for k in ("clang", "icc", "g++") if k in os.path.basename(compiler)), None)
    return kind + found[-1] if kind and found else None


def _processor():
    if not sys.platform.startswith("linux"):
        return None
    with open("/proc/cpuinfo", encoding="utf8", errors="replace") as f:
        models = [line.split(":")[-1].strip() for line in f if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _short(part) -> str:
    """A part of the path as Jittor shortens it, escaped for glob; * for one that is not known."""
    if part is None:
        return "*"
    kept = "".join(c for c in part if c.isidentifier() or c.isnumeric() or c.isalpha() or c in ".-+")
    return glob.escape(kept if len(kept) <= 14 else f"{kept[:14]}x{_digest(kept)[:2]}")


def _digest(text) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _check_writable(directory: str, name: str, cure: str):
    try:
        os.makedirs(directory, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(
            f"Jittor compiles its operators under {directory} ({name}), which cannot be written: {error.strerror}. {cure}"
        ) from None


def writable_home() -> str:
    """Jittor's home, after a check that Jittor can write there.

    Jittor stores its compiled operators in <home>/.cache/jittor and the path of this home in ~/.cache/jittor: both must be
    writable. Otherwise raises OSError, which says what to do.
    """
    if os.path.expanduser("~") == "~":
        raise OSError(
            "the home directory is unknown: HOME is not set, and this user has no entry in /etc/passwd. Set HOME to a "
            "directory that can be written (docker: -e HOME=/tmp)."
        )
    _repair_note()
    chosen, reason = place()
    _check_writable(
        cache(chosen),
        reason,
        "Set JITTOR_HOME to a directory that can be written (about 1.5 GB is used).",
    )
    _check_writable(
        os.path.join(os.path.expanduser("~"), ".cache", "jittor"),
        "the home directory",
        "Set HOME to a directory that can be written: Jittor notes there where its cache is.",
    )
    return chosen
