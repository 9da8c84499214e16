"""SIGTERM, SIGINT, SIGHUP and SIGUSR1: finish the iteration, save, and exit with the exit code of the signal."""
from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from jsra.output import silence


class Interrupted(Exception):
    """Training was stopped by a signal and its state is saved. `code`: 128 + the signal's number, e.g. 143 for SIGTERM."""

    def __init__(self, number: int, saved: str):
        super().__init__(f"stopped by {signal.Signals(number).name}; saved {saved}; continue with --resume")
        self.code = 128 + number
        self._made_of = number, saved

    def __reduce__(self):
        return Interrupted, self._made_of


class Interruptions:
    """Context manager: inside it the first signal is only stored in `received`; a second one has its usual effect.

    In a thread other than the main one, which alone may handle signals, all have their usual effect.
    """

    # mpirun passes SIGUSR1 on and does not kill the processes afterwards. SIGHUP: the terminal was closed; nohup ignores it.
    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)

    def __init__(self):
        self.received = None
        self._previous = {}
        self._saved = None

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in self.SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._note)
            # System calls must continue after a signal: Jittor's wait for the lock of its cache would fail if interrupted.
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
        """Context manager: a signal, also an earlier one, raises Interrupted: the checkpoint `saved` has the state."""
        self._saved = saved
        try:
            if self.received:
                raise Interrupted(self.received, saved)
            yield
        finally:
            self._saved = None

    def came(self, within: float = 0.5) -> bool:
        """Whether a signal has arrived, or arrives within so many seconds: the processes of a group get it in any order."""
        end = time.monotonic() + within
        while not self.received and time.monotonic() < end:
            time.sleep(0.02)
        return bool(self.received)

    def __exit__(self, *exception):
        self._restore()


def _silence_if_gone(descriptor):
    """Discard the output if the terminal was closed: a failing write would end the run before it is saved."""
    try:
        os.write(descriptor, b"")
    except OSError:
        silence(descriptor)
