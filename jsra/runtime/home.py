"""Jittor's home: the directory under which it compiles and caches."""

import json
import os
import tempfile


def jittor_home() -> str:
    """The directory that Jittor will use: $JITTOR_HOME, else the one it remembers, else the home directory."""
    if os.environ.get("JITTOR_HOME"):
        return os.path.abspath(os.environ["JITTOR_HOME"])
    user = os.path.expanduser("~")
    try:
        with open(os.path.join(user, ".cache", "jittor", "config.json"), encoding="utf8") as f:
            return os.path.abspath(json.load(f).get("JITTOR_HOME", user))
    except (OSError, ValueError):
        return user


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
    """Jittor's home after checking that Jittor can write there.

    Jittor keeps its compiled operators in <home>/.cache/jittor and a note of the place in ~/.cache/jittor: both must be
    writable. Raises OSError with the cure.
    """
    chosen = jittor_home()
    _check_writable(
        os.path.join(chosen, ".cache", "jittor"),
        "$JITTOR_HOME" if os.environ.get("JITTOR_HOME") else "its home",
        "Set JITTOR_HOME to a directory that can be written (about 1.5 GB is used).",
    )
    _check_writable(
        os.path.join(os.path.expanduser("~"), ".cache", "jittor"),
        "the home directory",
        "Set HOME to a directory that can be written: Jittor notes there where its cache is.",
    )
    return chosen
