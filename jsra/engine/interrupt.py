"""SIGTERM, SIGINT and SIGUSR1: finish the iteration, save, and leave with the exit code that the signal stands for."""
from __future__ import annotations

import atexit
import contextlib
import signal
import time


class Interrupted(Exception):
    """Training stopped at a signal, its state saved. `code`: 143 for SIGTERM, 130 for SIGINT, 138 for SIGUSR1."""

    def __init__(self, number: int, saved: str):
        super().__init__(f"stopped by {signal.Signals(number).name}; saved {saved}; continue with --resume")
        self.code = 128 + number
        self._made_of = number, saved

    def __reduce__(self):
        return Interrupted, self._made_of


class Interruptions:
    """Context manager: within it the first signal is only noted in `received`; a second one acts at once, as usual."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # mpirun passes the last on, and kills nobody after it

    def __init__(self):
        self.received = None
        self._previous = {}
        self._saved = None

    def __enter__(self):
        for number in self.SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
            # System calls go on afterwards: Jittor's wait for the lock of its cache is an error when interrupted.
            signal.siginterrupt(number, False)
        return self

    def _note(self, number, frame):
        self.received = number
        self._restore()
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
        end = time.time() + within
        while not self.received and time.time() < end:
            time.sleep(0.02)
        return bool(self.received)

    def __exit__(self, *exception):
        self._restore()


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
