"""Data parallelism over MPI: rank, number of processes, and collective operations.

Start one process per device: `mpirun -np 2 jsra train CONFIG` (docs/distributed.md). All processes run the same program, each
on its share of the images. Three rules prevent that they wait for each other forever:

- What only one process knows (files, metrics), process 0 determines and sends to all: `on_main`.
- All processes compute the sums inside the graph in the same order, forward and backward, even if their graphs differ:
  `all_reduce`.
- A process that fails exits immediately, and mpirun then ends the others: jsra.runtime.leave.
"""
from __future__ import annotations

import pickle

import jittor as jt
import numpy as np

from jsra.runtime.errors import portable

_CHUNK = 1 << 30  # bytes of one message: MPI counts in 32 bits
_on_main = False
_last_sum = []  # the previous sum; the next one waits for it
_forward = []  # the last sum of a forward pass whose backward has not begun


def rank() -> int:
    """The number of this process, from 0; 0 within `on_main`."""
    return jt.rank if world_size() > 1 else 0


def world_size() -> int:
    """The number of processes of this run; 1 within `on_main`."""
    return jt.world_size if jt.in_mpi and not _on_main else 1


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def broadcast(value, root: int = 0):
    """Returns the value of process `root` in every process. It is pickled. Every process must call this."""
    if world_size() == 1:
        return value
    data = pickle.dumps(value, protocol=4) if rank() == root else b""
    jt.sync_all()
    size = np.array([len(data)], np.int64)
    _send(size, root)
    buffer = np.frombuffer(data, np.uint8).copy() if rank() == root else np.empty(int(size[0]), np.uint8)
    _send(buffer, root)
    return value if rank() == root else pickle.loads(buffer.tobytes())


def _send(array, root):
    """Overwrite a contiguous array with that of process `root`."""
    view = array.reshape(-1).view(np.uint8)  # Jittor would convert 64-bit numbers to 32 bits
    for start in range(0, view.size, _CHUNK):
        jt.compile_extern.mpi.broadcast(view[start : start + _CHUNK], root)


def gather(value) -> list:
    """Returns the values of all processes, ordered by rank, in process 0; [] in the others. Every process must call this."""
    found = []
    for other in range(world_size()):
        one = broadcast(value, other)
        if is_main():
            found.append(one)
    return found


def on_main(function):
    """Call function() in process 0 and return its value in all processes; an exception there is raised in all of them.

    Every process must call this, and the value must be picklable. Within `function`, everything in this module behaves as in
    a run with a single process.
    """
    global _on_main
    if world_size() == 1:
        return function()
    jt.sync_all()
    value = error = None
    if is_main():
        _on_main = True
        try:
            value = function()
        except Exception as raised:
            error = raised
        finally:
            _on_main = False
    try:
        value, told = broadcast((value, error and portable(error)))
    except Exception:
        if error is not None:  # report the cause, not its consequences
            raise error from None
        raise
    if told is None:
        return value
    if is_main():
        raise error
    told.of_main = True
    raise told


class _AllReduce(jt.Function):
    """previous: the previous sum. It is an input so that the backward computes the sums in the opposite order."""

    def execute(self, value, *previous):
        self.like, self.previous = value, len(previous)
        return _ordered_sum(value)

    def grad(self, gradient):
        _forward.clear()
        gradient = jt.zeros_like(self.like) if gradient is None else gradient
        return [_ordered_sum(gradient)] + [None] * self.previous


def all_reduce(value):
    """The element-wise sum over all processes of a Var of the same shape; its gradient is the sum of the gradients.

    Jittor chooses the order of independent operations, and the order differs between processes if their graphs differ (e.g.
    for a batch without objects). Therefore each of these sums depends on the previous one: all processes compute them in the
    order in which the program calls them, and their gradients in the opposite order.
    """
    if world_size() == 1:
        return value
    total = _AllReduce.apply(value, *_forward)
    _forward[:] = [] if jt.flags.no_grad else [total]
    return total


def _ordered_sum(value):
    total = value.mpi_all_reduce("add")
    total._add_dependency(_last_sum)
    _last_sum[:] = [total]
    return total


def average(gradients: list) -> list:
    """The mean of each Var over the processes; without a gradient."""
    return [_ordered_sum(g) / jt.world_size for g in gradients]


def share_weights(model):
    """Give every process the weights of process 0, exactly."""
    if world_size() == 1:
        return
    jt.sync_all()
    for var in model.parameters():
        array = np.ascontiguousarray(var.numpy())
        _send(array, 0)
        if not is_main():
            var.update(jt.array(array))
    jt.sync_all()
