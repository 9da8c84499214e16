"""Sets right what Jittor changes in a process at its import: handlers of signals, and the processes that compile."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal


def set_right(jittor):
    """Called once, after Jittor was imported."""
    give_signals_back((signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD))
    end_compilers()
    os.register_at_fork(after_in_child=lambda: _use_one_thread(jittor))


def _use_one_thread(jittor):
    """In a forked process, which has none of the threads with which Jittor compiles operators and OpenMP computes: it would
    wait for them without end."""
    jittor.flags.use_parallel_op_compiler = 0
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libgomp.so.1").omp_set_num_threads(1)


def give_signals_back(numbers=(signal.SIGINT, signal.SIGCHLD)):
    """Install the handlers of these signals that Python knows. (It does not know one of faulthandler for SIGQUIT.)

    Jittor installs its own in C without Python's knowledge: they end the process at Ctrl-C, and when a child was killed, but
    not at Ctrl-\\.
    """
    for number in numbers:
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            signal.signal(number, signal.getsignal(number) or signal.SIG_DFL)


def end_compilers():
    """End the processes with which Jittor compiled itself; a new pool is started when needed.

    A signal to the process group (Ctrl-C, `timeout`, batch systems) kills them too. If one of them dies, its pool stays
    locked, and this process would wait for it forever, at the latest at its exit.
    """
    import jittor_utils

    if jittor_utils.pool_size:
        jittor_utils.pool_cleanup()
        atexit.unregister(jittor_utils.pool_cleanup)
        jittor_utils.pool_size = 0
