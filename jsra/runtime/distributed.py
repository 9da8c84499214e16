"""Data parallel over MPI: which process this is, and the steps that all processes take together.

Start one process per device: `mpirun -np 2 jsra train CONFIG` (docs/distributed.md). All processes run the same program, each
on its share of the images. Three rules keep them from waiting for one another for ever:

- What only one process can know (files, metrics) is asked of process 0 and given to all: `on_main`.
- Sums inside the graph have one order in all processes, forward and backward, whatever else the graph holds: `all_reduce`.
- A process that fails ends at once, and mpirun then ends the others: jsra.runtime.leave.
"""
from __future__ import annotations

import pickle

import jittor as jt
import numpy as np

from jsra.runtime.errors import portable

_CHUNK = 1 << 30  # bytes of one message: MPI counts in 32 bits
_on_main = False
_last_sum = []  # the sum that the next one waits for
_forward = []  # the last sum of a forward pass whose gradient has not been asked for


def rank() -> int:
    return jt.rank if world_size() > 1 else 0


def world_size() -> int:
    """The number of processes that take steps together: 1 within `on_main`."""
    return jt.world_size if jt.in_mpi and not _on_main else 1


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def broadcast(value, root: int = 0):
    """The value of process `root`, in every process. It is pickled; every process must call this."""
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
    """Overwrite a contiguous array by that of process `root`."""
    view = array.reshape(-1).view(np.uint8)  # Jittor would make a copy of 64-bit numbers, in 32 bits
    for start in range(0, view.size, _CHUNK):
        jt.compile_extern.mpi.broadcast(view[start : start + _CHUNK], root)


def gather(value) -> list:
    """The values of all processes, in their order, in process 0; [] in the others. Every process must call this."""
    found = []
    for other in range(world_size()):
        one = broadcast(value, other)
        if is_main():
            found.append(one)
    return found


def on_main(function):
    """The value of function() in process 0, given to all processes; what it raises there is raised in all of them.

    Every process must call this, and the value must be one that can be pickled. Within `function` process 0 is alone: all
    that is here then does as in a run of one process.
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
        if error is not None:  # the cause, not what came of it
            raise error from None
        raise
    if told is None:
        return value
    if is_main():
        raise error
    told.of_main = True
    raise told


class _AllReduce(jt.Function):
    """previous: the sum before this one, an input so that the gradients are summed in the opposite order."""

    def execute(self, value, *previous):
        self.like, self.previous = value, len(previous)
        return _ordered_sum(value)

    def grad(self, gradient):
        _forward.clear()
        gradient = jt.zeros_like(self.like) if gradient is None else gradient
        return [_ordered_sum(gradient)] + [None] * self.previous


def all_reduce(value):
    """The element-wise sum of every process's Var of the same shape, with a gradient: the sum of the gradients.

    Jittor executes what does not depend on one another in an order of its own, which differs between processes when their
    graphs do (a batch without objects, say). Each of these sums depends on the one before, so all processes take them in
    the order in which the program asks for them, and their gradients in the opposite one.
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
    """The mean over the processes of each Var; no gradient flows through it."""
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
