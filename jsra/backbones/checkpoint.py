"""Checkpointing of activations (Chen et al. 2016, arXiv:1604.06174): less memory for a second forward pass of blocks.

Of a block that is called so a training step keeps the inputs alone; the backward runs the block again.
"""

from __future__ import annotations

import jittor as jt

from jsra.runtime.seed import get_rng_state, set_rng_state


def call(block, *inputs, with_cp: bool):
    """block(*inputs), one Var; with_cp: checkpointed. Gradients to the inputs that are Vars and to the block's parameters.

    A checkpointed block must do the same in both runs: what it draws of jsra.runtime.seed (stochastic depth) is drawn again,
    but statistics that it keeps, as batch norm does, would be updated twice.
    """
    if not with_cp or jt.flags.no_grad:
        return block(*inputs)
    return _Checkpointed.apply(block, len(inputs), *inputs, *_trained(block))


def _trained(block):
    return [p for p in block.parameters() if not p.is_stop_grad()]


class _Checkpointed(jt.Function):
    def execute(self, block, count, *values):
        self.block, self.inputs = block, values[:count]  # the others are parameters, which the block has itself
        self.rng_state = get_rng_state()
        with jt.no_grad():
            return block(*self.inputs)

    def grad(self, dout):
        # Function has marked its inputs as without a gradient by now; input_mask tells which ones had one.
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
        # Executed at once: what the Functions in the block keep for their gradients is let go at the end of an execution.
        jt.sync(found)
        found = iter(found)
        return [None, None, *(next(found) if want else None for want in wanted), *found]
