"""Changes the order of axes, on the GPU too.

Jittor has no CUDA kernel for a transposition that moves the last axis: without cuTT, which Jittor would download and jsra
does not, it copies the array to the CPU and back. Jittor's other operator, which it only uses if the last axis stays last,
works for any order and has a CUDA kernel.
"""

from __future__ import annotations

import jittor as jt


def permute(x, *axes) -> jt.Var:
    """x with axis axes[i] as its axis i, as x.permute(*axes)."""
    if jt.flags.use_cuda and getattr(jt.compile_extern, "cutt_ops", None) is None:
        return jt.fuse_transpose(x, axes)
    return x.permute(*axes)
