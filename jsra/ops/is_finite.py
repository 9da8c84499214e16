"""Which elements are finite, under -Ofast too.

Not jt.isnan and jt.isinf: Jittor compiles them by calling Python from the threads of its parallel compiler, without
Python's lock, and two of them in one graph sometimes crash the process (Jittor 1.3.11).
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def is_finite(x) -> jt.Var:
    """bool, of the shape of x (floating, at least one axis): neither NaN nor infinite. No gradient."""
    check.var("x", x)
    return run("is_finite", "forward", [x], [(tuple(x.shape), "bool")], count=x.numel())
