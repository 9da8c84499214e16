"""With NumPy 2 Jittor 1.3 finds no boxes, writes garbage weights, crashes in operators: it is not imported then."""

from __future__ import annotations

import sys

import numpy as np

CURE = "pip install 'numpy<2'"


class _RefuseJittor:
    """A finder of modules that answers `import jittor` with the cure; everything else, `jsra doctor` too, goes on."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "jittor":
            raise ImportError(
                f"NumPy {np.__version__} is installed, and Jittor computes wrong results with NumPy 2: {CURE} "
                f"(in {sys.prefix}; OpenCV needs 'opencv-python-headless<4.11' then)"
            )
        return None


def check():
    """Make every later `import jittor` fail with the cure if this NumPy is one that Jittor does not work with."""
    if int(np.__version__.split(".")[0]) >= 2 and _RefuseJittor not in sys.meta_path:
        sys.meta_path.insert(0, _RefuseJittor)
