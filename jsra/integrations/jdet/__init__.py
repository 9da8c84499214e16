"""Makes every part of jsra available in JDet: `import jsra.integrations.jdet` registers them (docs/jdet.md).

Names: each part is `JSRA<Name>` in JDet's registry of its kind, and also `<Name>` if that registry does not have this name.
JDet's own names keep their meaning. Settings inside a part of jsra are built by jsra's registry, so they use jsra's names
(with or without the prefix), with the same meaning as in `jsra train`.

Only this package imports jdet. Its modules: names (the rule), values (conversion of targets and results), models, extractors,
data, training (optimisers, schedules, and other parts that JDet's Runner needs).
"""

import importlib

from jsra.integrations import JDET_NEEDS

INSTALL = "pip install --no-deps git+https://github.com/Jittor/JDet.git && pip install " + " ".join(
    f"'{need}'" if "<" in need else need for need in JDET_NEEDS
)

try:
    importlib.import_module("jdet")  # all of JDet: its names must be registered before ours
except ImportError as error:
    missing = error.name or ""
    about = "JDet is not installed" if missing == "jdet" else f"JDet is there but cannot be imported ({error})"
    raise ImportError(f"{about}; install it and its dependencies with: {INSTALL}", name=missing) from error

from jsra.integrations.jdet import data, extractors, models, training  # noqa: E402

for module in (models, extractors, data, training):
    module.add_parts()

__all__ = []
