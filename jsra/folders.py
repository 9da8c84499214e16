"""Looking for files without overlooking those that this user may not see."""
from __future__ import annotations

import os
import stat
import sys


def walk(folder: str):
    """os.walk, except that a folder that may not be listed raises OSError (os.walk leaves it out), that folders and files are
    in the order of their names, and that links to folders are followed: after all other folders, each folder once, and never
    to a folder around `folder`."""

    def fail(error):
        raise error

    seen, tops = set(), [folder]
    for top in tops:  # it grows
        for place, folders, names in os.walk(top, onerror=fail):
            state = os.stat(place)
            if (state.st_dev, state.st_ino) in seen:
                folders.clear()
                continue
            seen.add((state.st_dev, state.st_ino))
            folders.sort()
            yield place, folders, sorted(names)
            links = (os.path.join(place, name) for name in folders if os.path.islink(os.path.join(place, name)))
            tops += [link for link in links if not _around(os.path.realpath(link), os.path.realpath(folder))]


def _around(outer: str, inner: str) -> bool:
    """Whether `inner` is `outer` or below it (real paths)."""
    return os.path.commonpath([outer, inner]) == outer


def exists(path: str) -> bool:
    """os.path.exists, except that what is in a folder that may not be entered raises PermissionError, and a name that
    the encoding of file names cannot write raises OSError: os.path.exists says False."""
    return _mode(path) is not None


def is_file(path: str) -> bool:
    """os.path.isfile, with the exceptions of `exists`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def check_letters(name: str):
    """Raise OSError for a name that the encoding of file names cannot write: a file of this name may exist."""
    encoding = sys.getfilesystemencoding()
    try:
        os.fspath(name).encode(encoding, sys.getfilesystemencodeerrors())
    except UnicodeEncodeError as error:
        if encoding != "utf-8":
            raise OSError(no_letters(error)) from None


def no_letters(error: UnicodeEncodeError) -> str:
    """The message for a file name that cannot be written in the encoding of file names, which the locale gives."""
    return (
        f"file names are in {sys.getfilesystemencoding()} here, which has no letters for {error.object!r}: set PYTHONUTF8=1, "
        "or another locale (LC_ALL=C.UTF-8)"
    )


def _mode(path):
    try:
        return os.stat(path).st_mode
    except PermissionError:
        raise
    except UnicodeEncodeError:
        check_letters(path)
        return None
    except (OSError, ValueError):
        return None
