"""jsra inside other frameworks: `import jsra.integrations.jdet` makes its parts parts of JDet (docs/jdet.md)."""

from __future__ import annotations

import importlib
import sys


def for_jdet():
    """What jdet_configs call: where JDet is running, make jsra's parts known to it. Otherwise, do nothing."""
    if "jdet" in sys.modules:
        importlib.import_module("jsra.integrations.jdet")
