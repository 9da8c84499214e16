"""Every part of jsra as a part of JDet: `import jsra.integrations.jdet` registers them (docs/jdet.md).

The names: each part is `JSRA<Name>` in JDet's registry of its kind, and `<Name>` too where that registry has no such name.
JDet's own names keep their meaning. What is nested in a part of ours is built by jsra's registry, so it has jsra's names
(with or without the prefix) and means what it means to `jsra train`.

Only this package imports jdet. In it: names (the rule), values (the numbers that cross the border), models, extractors,
data, training (optimisers, schedules, and what JDet's Runner needs next to them).
"""

import importlib

from jsra.integrations import JDET_NEEDS

INSTALL = "pip install --no-deps git+https://github.com/Jittor/JDet.git && pip install " + " ".join(
    f"'{need}'" if "<" in need else need for need in JDET_NEEDS
)

try:
    importlib.import_module("jdet")  # all of it: its names must stand before ours are added
except ImportError as error:
    missing = error.name or ""
    about = "JDet is not installed" if missing == "jdet" else f"JDet is there but cannot be imported ({error})"
    raise ImportError(f"{about}; install it and its dependencies with: {INSTALL}", name=missing) from error

from jsra.integrations.jdet import data, extractors, models, training  # noqa: E402

for module in (models, extractors, data, training):
    module.add_parts()

__all__ = []
