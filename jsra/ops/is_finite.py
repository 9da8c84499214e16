"""Tests which elements are finite; works with -Ofast too.

jt.isnan and jt.isinf are not used: to compile them, Jittor calls Python from the threads of its parallel compiler without
Python's lock, and two of them in one graph sometimes crash the process (Jittor 1.3.11).
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def is_finite(x) -> jt.Var:
    """bool, in the shape of x (floating point, at least one axis): True if neither NaN nor infinite. No gradient."""
    check.var("x", x)
    return run("is_finite", "forward", [x], [(tuple(x.shape), "bool")], count=x.numel())
