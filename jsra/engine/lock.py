"""A lock that allows only one run at a time in a work_dir."""

from __future__ import annotations

import errno
import fcntl
import os
import socket

from jsra.registry import ConfigError

FILE = "run.lock"
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class WorkDirLock:
    """The right to write into a work_dir, from construction to `release`, or until the process ends in any way.

    It is a POSIX lock on a file; the existence of the file alone means nothing. Data workers, which are forked and may exist
    for a moment after a run was killed, do not hold it, and it works between hosts over NFS (version 4, or with a lock
    service). On a file system without locks nothing is locked. Raises ConfigError if another process holds the lock.
    """

    def __init__(self, work_dir: str):
        os.makedirs(work_dir, exist_ok=True)
        self._file = open(os.path.join(work_dir, FILE), "a+", encoding="utf8")
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
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def _holder(self):
        self._file.seek(0)
        text = self._file.read(200).strip()
        return f" ({text})" if text else ""

    def release(self):
        """Release the lock. Closing the file in this process is enough."""
        self._file.close()
