"""Axes in another order, on the GPU too.

Jittor has no CUDA kernel for a transposition that moves the last axis: without cuTT, which it would download and jsra
does not, it copies the array to the CPU and back. Its other operator, which it keeps for the last axis in place, takes any
order and has one.
"""

from __future__ import annotations

import jittor as jt


def permute(x, *axes) -> jt.Var:
    """x with axis axes[i] as its i-th, as x.permute(*axes)."""
    if jt.flags.use_cuda and getattr(jt.compile_extern, "cutt_ops", None) is None:
        return jt.fuse_transpose(x, axes)
    return x.permute(*axes)
