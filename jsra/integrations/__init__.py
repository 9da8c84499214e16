"""jsra inside other frameworks: `import jsra.integrations.jdet` makes its parts parts of JDet (docs/jdet.md)."""

from __future__ import annotations

# What JDet (commit 0197437) needs to be imported, next to Jittor; its own setup.py does not name all of it.
JDET_NEEDS = (
    "numpy<2", "scipy", "einops", "opencv-python-headless<4.11", "shapely", "terminaltables", "tensorboardX", "matplotlib",
    "pyyaml", "six", "requests", "pycocotools", "tqdm",
)  # fmt: skip
