"""Where data lies: paths of configs are relative to the current directory; JSRA_DATA may replace their `data/`."""

from __future__ import annotations

import os


def data_path(path) -> str:
    """The path itself; `data/...` becomes `$JSRA_DATA/...` where that variable is set."""
    path = os.fspath(path)
    base = os.environ.get("JSRA_DATA")
    if base and (path == "data" or path.startswith("data/")):
        return os.path.normpath(os.path.join(base, path[len("data/") :]))
    return path


def existing_file(path, what: str) -> str:
    """data_path(path), or FileNotFoundError with what was looked for and the cure."""
    found = data_path(path)
    if not os.path.exists(found):
        hint = "" if os.environ.get("JSRA_DATA") else " set JSRA_DATA to the folder that stands for data/, or"
        raise FileNotFoundError(f"{what} is not there: {os.path.abspath(found)};{hint} correct the path in the config")
    return found
