"""Checks and messages at the moment when a process imports Jittor; commands without Jittor (`jsra doctor`) are not affected.

- NumPy 2: with it Jittor 1.3 finds no boxes, writes wrong weights and crashes in operators, so the import is refused.
- At its first import with a new cache, Jittor compiles itself for minutes without a message: a message is printed before.
"""

from __future__ import annotations

import sys

import numpy as np

from jsra.runtime import home

CURE = "pip install 'numpy<2'"


class _BeforeJittor:
    """A module finder that is asked first and never finds a module itself."""

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
    """Install the finder in sys.meta_path."""
    if _BeforeJittor not in sys.meta_path:
        sys.meta_path.insert(0, _BeforeJittor)
