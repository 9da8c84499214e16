"""jsra inside other frameworks: `import jsra.integrations.jdet` registers jsra's parts in JDet (docs/jdet.md)."""

from __future__ import annotations

# Packages that JDet (commit 0197437) needs besides Jittor; its own setup.py does not list all of them.
JDET_NEEDS = (
    "numpy<2", "scipy", "einops", "opencv-python-headless<4.11", "shapely", "terminaltables", "tensorboardX", "matplotlib",
    "pyyaml", "six", "requests", "pycocotools", "tqdm",
)  # fmt: skip
