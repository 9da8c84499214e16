"""jsra inside other frameworks: `import jsra.integrations.jdet` makes its parts parts of JDet (docs/jdet.md)."""

from __future__ import annotations

import importlib
import sys

# What JDet (commit 0197437) needs to be imported, beside Jittor; its own setup.py does not name all of it.
JDET_NEEDS = (
    "numpy<2", "scipy", "einops", "opencv-python-headless<4.11", "shapely", "terminaltables", "tensorboardX", "matplotlib",
    "pyyaml", "six", "requests", "pycocotools", "tqdm",
)  # fmt: skip


def for_jdet():
    """What jdet_configs call: where JDet is running, make jsra's parts known to it. Otherwise, do nothing."""
    if "jdet" in sys.modules:
        importlib.import_module("jsra.integrations.jdet")
