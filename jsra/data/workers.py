"""Worker processes that run one function on a list of tasks, in order; the parent process never hangs because of a worker.

Each worker has its own pipe. The parent waits for the pipe and the process at the same time, so a killed worker (e.g. out of
memory) is noticed immediately; an exception in a worker is raised in the parent. Large arrays are passed in anonymous memory
files, not copied through the pipe.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import traceback
from collections import deque
from multiprocessing import connection, reduction

import numpy as np

from jsra.registry import ConfigError
from jsra.runtime.after_jittor import give_signals_back
from jsra.runtime.errors import portable

_SHARED_MIN = 1 << 16  # arrays of at least this many bytes are passed in a memory file


class WorkerError(RuntimeError):
    """A worker was killed, or gives no results; the message says what it was reading and what to do."""


class WorkerPool:
    """`workers` forked processes that compute function(*task).

    describe(*task): text for messages about what a task reads. prefetch: tasks sent ahead to each worker. timeout: seconds
    to wait for one result.
    """

    def __init__(self, function, workers, prefetch, timeout, describe):
        self._function = function
        self._count = workers
        self._prefetch = max(1, prefetch)
        self._timeout = timeout
        self._describe = describe
        self._workers = []

    def run(self, tasks):
        """Yield the results of `tasks` in order. Leaving the generator early stops the workers."""
        give_signals_back()  # if Jittor was imported before jsra: a killed worker must not end this process
        if not self._workers:
            self._start()
        sent, waiting, done = 0, deque(), False
        try:
            while sent < len(tasks) or waiting:
                while sent < len(tasks) and len(waiting) < self._count * self._prefetch:
                    process, pipe = self._workers[sent % self._count]
                    self._send(pipe, tasks[sent])
                    waiting.append((process, pipe, tasks[sent]))
                    sent += 1
                yield self._receive(*waiting.popleft())
            done = True
        finally:
            if not done:  # the pipes still contain results of unfinished tasks
                self.close()

    def _start(self):
        if multiprocessing.current_process().daemon:
            raise ConfigError(
                "num_workers: this process is a daemon of multiprocessing (such as those of a Pool), which may not start "
                "workers: set num_workers=0"
            )
        context = multiprocessing.get_context("fork")
        for _ in range(self._count):
            here, there = context.Pipe()
            others = [pipe for _, pipe in self._workers] + [here]
            process = context.Process(target=_work, args=(self._function, there, others), daemon=True)
            process.start()
            there.close()
            self._workers.append((process, here))

    def _send(self, pipe, task):
        try:
            pipe.send(task)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an earlier task ended the worker; the error names that task when its result is missing

    def _receive(self, process, pipe, task):
        ready = connection.wait([pipe, process.sentinel], self._timeout)
        if not ready:
            raise WorkerError(
                f"data worker {process.pid} gave no result for {self._timeout} s while it was reading "
                f"{self._describe(*task)}; is the disk or network stuck? num_workers=0 loads in the main process"
            )
        try:
            if pipe not in ready and not pipe.poll():
                raise EOFError
            kind, payload = pipe.recv()
            if kind == "result":
                return _unpack(payload, pipe)
        except (EOFError, ConnectionResetError):
            self._died(process, task)
        error, text = payload
        raise error from RuntimeError(f"in data worker {process.pid}:\n{text}")

    def _died(self, process, task):
        process.join(5)
        code = process.exitcode
        how = f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with code {code}"
        raise WorkerError(
            f"data worker {process.pid} was {how} while it was reading {self._describe(*task)}; if memory ran out, "
            "lower num_workers or batch_size; num_workers=0 loads in the main process"
        ) from None

    def close(self):
        """Stop the workers."""
        workers, self._workers = self._workers, []
        for process, pipe in workers:
            pipe.close()
            process.terminate()
        for process, _ in workers:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()


def _work(function, pipe, others):
    """The main loop of a worker; it ends when the parent closes the pipe or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and then closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:  # inherited copies of the parent's ends would keep the pipes open after the parent's death
        other.close()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        try:
            result = function(*task)
        except Exception as error:
            message = "error", (portable(error), traceback.format_exc())
        else:
            message = "result", result
        try:
            if message[0] == "error":
                pipe.send(message)
            else:
                _pack(message[1], pipe)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)
        except Exception as error:  # a user's target with something that cannot be pickled
            what = f"a sample cannot be sent from a data worker ({error}); num_workers=0 loads in the main process"
            pipe.send(("error", (ConfigError(what), traceback.format_exc())))


class _File:
    """Replaces, in a message, an array that is passed as a memory file."""

    def __init__(self, shape, dtype):
        self.shape = shape
        self.dtype = dtype


def _pack(value, pipe):
    """Send ('result', value): arrays of _SHARED_MIN bytes and more follow as file descriptors."""
    files = []
    message = _replace(value, files)
    pipe.send(("result", (len(files), message)))
    for fd in files:
        reduction.send_handle(pipe, fd, None)
        os.close(fd)


def _replace(value, files):
    plain = type(value) is np.ndarray and value.dtype.kind in "biuf"  # others are more than bytes: masks, fields, objects
    if plain and value.nbytes >= _SHARED_MIN and hasattr(os, "memfd_create"):
        fd = os.memfd_create("jsra-batch")
        view, written = memoryview(np.ascontiguousarray(value)).cast("B"), 0
        while written < len(view):
            written += os.write(fd, view[written:])
        files.append(fd)
        return _File(value.shape, value.dtype.str)
    if isinstance(value, dict):
        return {key: _replace(item, files) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_replace(item, files) for item in value)
    return value


def _unpack(payload, pipe):
    count, message = payload
    fds = [reduction.recv_handle(pipe) for _ in range(count)]
    return _restore(message, iter(fds))


def _restore(value, fds):
    if isinstance(value, _File):
        fd = next(fds)
        dtype = np.dtype(value.dtype)
        memory = mmap.mmap(fd, int(np.prod(value.shape)) * dtype.itemsize)
        os.close(fd)
        return np.frombuffer(memory, dtype).reshape(value.shape)
    if isinstance(value, dict):
        return {key: _restore(item, fds) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_restore(item, fds) for item in value)
    return value
