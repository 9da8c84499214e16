"""TensorBoard's files of a run."""

from __future__ import annotations

import contextlib
import os
import threading

from jsra.runtime.memory import require_room_for_a_thread

PENDING = 1000  # values that wait for the writing thread


class Board:
    """Writes numbers for TensorBoard with the package tensorboardX, whose thread writes the file.

    TensorBoard then leaves out numbers in earlier files that are later than `iteration`: the run goes on from there.

    If the thread ends with an error (a full disk), `failed` has it. Nothing more is written then: the queue of the thread
    would become full, and the run would wait without end.
    """

    def __init__(self, folder: str, iteration: int = 0):
        from tensorboardX import SummaryWriter

        self.failed = None
        require_room_for_a_thread()
        self._before = threading.excepthook
        self._writer = SummaryWriter(folder, max_queue=PENDING, purge_step=iteration + 1)
        self._events = self._writer.file_writer.event_writer
        self._thread, self._queue = self._events._worker, self._events._event_queue
        threading.excepthook = self._ended

    def _ended(self, args):
        if args.thread is self._thread:
            self.failed = args.exc_value
        else:
            self._before(args)

    def add(self, name: str, value: float, iteration: int):
        if self._thread.is_alive():
            self._writer.add_scalar(name, value, iteration)

    def close(self):
        if self._thread.is_alive():
            with contextlib.suppress(OSError):  # the last values do not fit on the disk
                self._writer.close()
        if self.failed or self._thread.is_alive():  # alive: after that error nobody has told it to end
            self._queue.cancel_join_thread()  # otherwise the process waits for a reader when it ends
            self._events._closed = True  # otherwise the package tries again when the process ends
        if not self._thread.is_alive():
            threading.excepthook = self._before


def board(work_dir: str, iteration: int = 0):
    """The Board of a run that goes on from `iteration`, or None if tensorboardX is not installed."""
    try:
        return Board(os.path.join(work_dir, "tensorboard"), iteration)
    except ImportError:
        return None
