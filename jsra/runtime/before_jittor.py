"""What is said, or refused, at the moment when a process imports Jittor; what needs no Jittor (`jsra doctor`) goes on.

- NumPy 2: with it Jittor 1.3 finds no boxes, writes garbage weights and crashes in operators, so it is not imported.
- Jittor compiles itself at its first import in a cache, for minutes and without a word: that is said before it begins.
"""

from __future__ import annotations

import sys

import numpy as np

from jsra.runtime import home

CURE = "pip install 'numpy<2'"


class _BeforeJittor:
    """A finder of modules that finds none: Python asks it first."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "jittor":
            _refuse_numpy_2()
            _announce_compile()
        return None


def _refuse_numpy_2():
    if int(np.__version__.split(".")[0]) >= 2:
        raise ImportError(
            f"NumPy {np.__version__} is installed, and Jittor computes wrong results with NumPy 2: {CURE} "
            f"(in {sys.prefix}; OpenCV must be 'opencv-python-headless<4.11' then)"
        )


def _announce_compile():
    place, reason = home.place()
    if not home.compiled(place):
        print(
            f"jsra: Jittor compiles itself now, once, into {home.cache(place)} ({reason}): 2 to 5 minutes", file=sys.stderr
        )


def watch():
    """Ask to be asked."""
    if _BeforeJittor not in sys.meta_path:
        sys.meta_path.insert(0, _BeforeJittor)
