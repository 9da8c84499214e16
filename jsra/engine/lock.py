"""A lock that allows only one run at a time in a work_dir."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import weakref

from jsra.output import check_folder
from jsra.registry import ConfigError

FILE = "run.lock"
_held = weakref.WeakValueDictionary()  # {_key of a file: the _Held of it}
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class WorkDirLock:
    """The right to write into a work_dir, from construction to `release`, or until the process ends in any way.

    It is a POSIX lock on a file; the existence of the file alone means nothing. Data workers, which are forked and may exist
    for a moment after a run was killed, do not hold it, and it works between hosts over NFS (version 4, or with a lock
    service). On a file system without locks nothing is locked. Raises ConfigError if another process holds the lock.
    """

    def __init__(self, work_dir: str):
        check_folder(work_dir, (), "work_dir")
        os.makedirs(work_dir, exist_ok=True)
        path = os.path.join(work_dir, FILE)
        self._held = _held.get(_key(path)) or _Held(path, work_dir)

    def check(self):
        """Raise ConfigError if the work_dir was deleted and another run has locked a new one in its place."""
        if self._held is not None:
            self._held.check()

    def release(self):
        """Release the lock, if no other WorkDirLock of this process has it."""
        self._held = None


def _key(path):
    """What identifies a file in this process, or None if there is no such file."""
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return os.getpid(), found.st_dev, found.st_ino
    return None


class _Held:
    """The locked file. All locks of a process on it share one: closing a second one would release the first."""

    def __init__(self, path, work_dir):
        self._path, self._file = path, open(path, "a+", encoding="utf8")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return
            holder = self._holder()
            self._file.close()
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise ConfigError(
                f"{work_dir}: another run is using it{holder}: wait until it ends, or choose another work_dir "
                "(--set work_dir=...)"
            ) from None
        _held[_key(path)] = self
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def check(self):
        found, own = _key(self._path), os.fstat(self._file.fileno())
        if found is not None and found[1:] != (own.st_dev, own.st_ino) and not self._adopted(found):
            raise ConfigError(
                f"{os.path.dirname(self._path) or '.'} was deleted while this run was using it, and another run was started "
                "there: this one stops without saving"
            )

    def _adopted(self, found):
        """Whether the file that is there now is a copy of this one, such as of a folder that was moved to another disk; then
        it is locked from now on."""
        if _held.get(found) is not None:
            return False
        with contextlib.suppress(OSError):
            copy = open(self._path, "a+", encoding="utf8")
            for file in (self._file, copy):
                file.seek(0)
            text = self._file.read(200)
            if text and copy.read(200) == text:
                fcntl.lockf(copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file.close()
                self._file, _held[found] = copy, self
                return True
        return False

    def _holder(self):
        self._file.seek(0)
        text = self._file.read(200).strip()
        return f" ({text})" if text else ""

    def __del__(self):
        if hasattr(self, "_file"):
            self._file.close()
