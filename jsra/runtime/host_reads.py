"""Counts how often the host reads results of the device. Each read makes the host wait until the device has finished."""

from __future__ import annotations

import contextlib
import os
import traceback

# The functions that read, of jt.Var and of jittor. float(), int(), bool() and list() call one of these.
_METHODS = ("numpy", "item", "tolist", "fetch", "fetch_sync", "__array__")
_PROPERTIES = ("data",)
_FUNCTIONS = ("fetch_sync", "fetch")


class HostReads:
    """places: for each read, 'file:line in function' of the code that caused it."""

    def __init__(self):
        self.places = []
        self._inside = False

    def __len__(self):
        return len(self.places)

    def counted(self, function):
        def read(*args, **kw):
            outermost, self._inside = not self._inside, True
            if outermost:
                callers = [f for f in traceback.extract_stack()[:-1] if f"{os.sep}jittor{os.sep}" not in f.filename]
                self.places.append(f"{callers[-1].filename}:{callers[-1].lineno} in {callers[-1].name}")
            try:
                return function(*args, **kw)
            finally:
                if outermost:
                    self._inside = False

        return read


@contextlib.contextmanager
def count_host_reads():
    """Context manager that counts the reads inside its block; yields HostReads. One read of several Vars counts as one."""
    import jittor as jt

    reads = HostReads()
    with contextlib.ExitStack() as stack:

        def patch(owner, name, replacement):
            stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, replacement)

        for name in _METHODS:
            patch(jt.Var, name, reads.counted(vars(jt.Var)[name]))
        for name in _PROPERTIES:
            patch(jt.Var, name, property(reads.counted(vars(jt.Var)[name].__get__)))
        for name in _FUNCTIONS:
            patch(jt, name, reads.counted(vars(jt)[name]))
        yield reads
