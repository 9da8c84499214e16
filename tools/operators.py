"""The operators of jsra with inputs to run them on: those of their own tests."""

from __future__ import annotations

import glob
import importlib
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def operators():
    """Yield (name, tester): each class of tests/ops that says how to call an operator, and its `cases(rng)`."""
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)
    from tests.ops.tester import OperatorTester

    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "ops", "test_*.py"))):
        module = importlib.import_module(f"tests.ops.{os.path.basename(path)[:-3]}")
        for name, value in sorted(vars(module).items()):
            own = isinstance(value, type) and issubclass(value, OperatorTester) and value.__module__ == module.__name__
            if own and value.cases is not OperatorTester.cases:
                yield f"{module.__name__.split('.test_')[1]} ({name[4:]})", value()
