"""Jittor's home: the directory under which it compiles and caches."""

import glob
import json
import os
import platform
import tempfile


def place() -> tuple:
    """(the directory that Jittor will use, the reason): $JITTOR_HOME, else an earlier $JITTOR_HOME, else the user's home."""
    if os.environ.get("JITTOR_HOME"):
        return os.path.abspath(os.path.expanduser(os.environ["JITTOR_HOME"])), "$JITTOR_HOME"
    user = os.path.expanduser("~")
    note = os.path.join(user, ".cache", "jittor", "config.json")
    try:
        with open(note, encoding="utf8") as f:
            remembered = json.load(f).get("JITTOR_HOME", user)
    except (OSError, ValueError):
        remembered = user
    if os.path.abspath(remembered) == os.path.abspath(user):
        return user, "in the home directory"
    return os.path.abspath(remembered), f"an earlier $JITTOR_HOME, noted by Jittor in {note}: delete that file to forget it"


def expand():
    """Replace `~` in $JITTOR_HOME, which a shell does, but not a Dockerfile: Jittor would make a folder of this name."""
    if os.environ.get("JITTOR_HOME", "").startswith("~"):
        os.environ["JITTOR_HOME"] = place()[0]


def cache(directory: str) -> str:
    """Jittor's cache folder in a directory as returned by `place`."""
    return os.path.join(directory, ".cache", "jittor")


def compiled(directory: str) -> bool:
    """Whether the cache of a directory contains the compiled Jittor for this Python and this cache name."""
    version, name = platform.python_version(), os.environ.get("cache_name", "default")
    # <Jittor>/<compiler>/<Python>/<system>/<processor>/<hash>/<cache name>
    folder = os.path.join(glob.escape(cache(directory)), "jt*", "*", f"py{version}", "*", "*", "*", glob.escape(name))
    return bool(glob.glob(os.path.join(folder, "jittor_core*.so")))


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
    chosen, _ = place()
    _check_writable(
        cache(chosen),
        "$JITTOR_HOME" if os.environ.get("JITTOR_HOME") else "its home",
        "Set JITTOR_HOME to a directory that can be written (about 1.5 GB is used).",
    )
    _check_writable(
        os.path.join(os.path.expanduser("~"), ".cache", "jittor"),
        "the home directory",
        "Set HOME to a directory that can be written: Jittor notes there where its cache is.",
    )
    return chosen
