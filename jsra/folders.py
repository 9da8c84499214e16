"""Looking for files without overlooking those that this user may not see."""
from __future__ import annotations

import os
import stat


def walk(folder: str):
    """os.walk, except that a folder that may not be listed raises OSError: os.walk leaves it out."""

    def fail(error):
        raise error

    return os.walk(folder, onerror=fail)


def is_file(path: str) -> bool:
    """os.path.isfile, except that a file in a folder that may not be entered raises PermissionError: isfile says False."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError:
        raise
    except (OSError, ValueError):
        return False
