"""Gives signals back that Jittor takes at its import."""

from __future__ import annotations

import contextlib
import signal


def give_back():
    """Install the handlers of SIGINT and SIGCHLD that Python knows.

    Jittor installs its own in C without Python's knowledge: they end the process at Ctrl-C, and when a child was killed.
    """
    for number in (signal.SIGINT, signal.SIGCHLD):
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            signal.signal(number, signal.getsignal(number) or signal.SIG_DFL)
