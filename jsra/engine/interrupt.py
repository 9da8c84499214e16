"""SIGTERM, SIGINT, SIGHUP and SIGUSR1: finish the iteration, save, leave with the exit code of the signal."""
from __future__ import annotations

import atexit
import contextlib
import os
import signal
import time

from jsra.output import silence


class Interrupted(Exception):
    """Training stopped at a signal, its state saved. `code`: 128 and its number, such as 143 for SIGTERM, 130 for SIGINT."""

    def __init__(self, number: int, saved: str):
        super().__init__(f"stopped by {signal.Signals(number).name}; saved {saved}; continue with --resume")
        self.code = 128 + number
        self._made_of = number, saved

    def __reduce__(self):
        return Interrupted, self._made_of


class Interruptions:
    """Context manager: within it the first signal is only noted in `received`; a second one acts at once, as usual."""

    # mpirun passes SIGUSR1 on, and kills nobody after it. SIGHUP: the terminal was closed; `nohup` has it ignored.
    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)

    def __init__(self):
        self.received = None
        self._previous = {}
        self._saved = None

    def __enter__(self):
        for number in self.SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._note)
            # System calls go on afterwards: Jittor's wait for the lock of its cache is an error when interrupted.
            signal.siginterrupt(number, False)
        return self

    def _note(self, number, frame):
        self.received = number
        self._restore()
        if number == signal.SIGHUP:
            _silence_if_gone(1)
            _silence_if_gone(2)
        if self._saved is not None:
            raise Interrupted(number, self._saved)

    def _restore(self):
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)

    @contextlib.contextmanager
    def leaving_at_once(self, saved: str):
        """Within it a signal, also one that came before, raises Interrupted: the state is in the checkpoint `saved`."""
        self._saved = saved
        try:
            if self.received:
                raise Interrupted(self.received, saved)
            yield
        finally:
            self._saved = None

    def came(self, within: float = 0.5) -> bool:
        """Whether a signal came, or comes within so many seconds: one to a whole process group reaches all in any order."""
        end = time.monotonic() + within
        while not self.received and time.monotonic() < end:
            time.sleep(0.02)
        return bool(self.received)

    def __exit__(self, *exception):
        self._restore()


def _silence_if_gone(descriptor):
    """A write to a terminal that was closed is an error, which would end the run before it is saved."""
    try:
        os.write(descriptor, b"")
    except OSError:
        silence(descriptor)


def end_compilers():
    """End the processes with which Jittor compiled itself; a new pool starts when one is needed.

    A signal to the process group (Ctrl-C, `timeout`, batch systems) kills them too. One that dies leaves its pool locked, and
    this process then waits for it for ever, at the latest at its exit.
    """
    import jittor_utils

    if jittor_utils.pool_size:
        jittor_utils.pool_cleanup()
        atexit.unregister(jittor_utils.pool_cleanup)
        jittor_utils.pool_size = 0
