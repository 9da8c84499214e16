"""Looking for files without overlooking those that this user may not see."""
from __future__ import annotations

import os
import stat


def walk(folder: str):
    """os.walk, except that a folder that may not be listed raises OSError: os.walk leaves it out."""

    def fail(error):
        raise error

    return os.walk(folder, onerror=fail)


def exists(path: str) -> bool:
    """os.path.exists, except that what is in a folder that may not be entered raises PermissionError: exists says False."""
    return _mode(path) is not None


def is_file(path: str) -> bool:
    """os.path.isfile, with the exception of `exists`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def _mode(path):
    try:
        return os.stat(path).st_mode
    except PermissionError:
        raise
    except (OSError, ValueError):
        return None
