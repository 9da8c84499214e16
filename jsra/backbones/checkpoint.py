"""Activation checkpointing (Chen et al. 2016, arXiv:1604.06174): less memory, but blocks run forward twice.

For a checkpointed block, a training step stores only the inputs; the backward pass runs the block again.
"""

from __future__ import annotations

import jittor as jt

from jsra.runtime.seed import get_rng_state, set_rng_state


def call(block, *inputs, with_cp: bool):
    """block(*inputs), one Var; with_cp: checkpointed. Gradients flow to inputs that are Vars and to the block's parameters.

    A checkpointed block must do the same in both runs. Random numbers of jsra.runtime.seed (stochastic depth) are the same in
    the second run, but running statistics, as in batch norm, would be updated twice.
    """
    if not with_cp or jt.flags.no_grad:
        return block(*inputs)
    return _Checkpointed.apply(block, len(inputs), *inputs, *_trained(block))


def _trained(block):
    return [p for p in block.parameters() if not p.is_stop_grad()]


class _Checkpointed(jt.Function):
    def execute(self, block, count, *values):
        self.block, self.inputs = block, values[:count]  # the other values are the block's own parameters
        self.rng_state = get_rng_state()
        with jt.no_grad():
            return block(*self.inputs)

    def grad(self, dout):
        # Function has already stopped the gradients of its inputs; input_mask tells which inputs had one.
        wanted = [mask >= 0 for mask in self.input_mask[2 : 2 + len(self.inputs)]]
        inputs = [x.detach().start_grad() if want else x for x, want in zip(self.inputs, wanted)]
        now = get_rng_state()
        set_rng_state(self.rng_state)
        try:
            out = self.block(*inputs)
        finally:
            set_rng_state(now)
        targets = [x for x, want in zip(inputs, wanted) if want] + _trained(self.block)
        found = jt.grad((out * dout.detach()).sum(), targets, retain_graph=False)
        # Execute now: the memory that Functions in the block keep for their gradients is freed when an execution ends.
        jt.sync(found)
        found = iter(found)
        return [None, None, *(next(found) if want else None for want in wanted), *found]
