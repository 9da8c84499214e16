"""SIGTERM and SIGINT: finish the iteration, save, and leave with the exit code that the signal stands for."""
from __future__ import annotations

import signal


class Interrupted(Exception):
    """Training stopped at a signal, its state saved. `code` is the exit code (143 for SIGTERM, 130 for SIGINT)."""

    def __init__(self, number: int, saved: str):
        super().__init__(f"stopped by {signal.Signals(number).name}; saved {saved}; continue with --resume")
        self.code = 128 + number


class Interruptions:
    """Context manager: within it the first signal is only noted in `received`; a second one acts at once, as usual."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self.received = None
        self._previous = {}

    def __enter__(self):
        for number in self.SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
            # System calls go on afterwards: Jittor's wait for the lock of its cache is an error when interrupted.
            signal.siginterrupt(number, False)
        return self

    def _note(self, number, frame):
        self.received = number
        self._restore()

    def _restore(self):
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)

    def __exit__(self, *exception):
        self._restore()
