"""Whether weights are complete, judged by themselves: without the config of the model that they are for."""

from __future__ import annotations

import re

DETECTOR = (
    "backbone.conv1",
    "backbone.bn1",
    "backbone.layer1",
    "neck.lateral_convs",
    "neck.fpn_convs",
    "rpn.cls",
    "rpn.box",
)
NORM = ("weight", "bias", "running_mean", "running_var")


def incomplete_parts(names) -> list:
    """What is missing from weights by our names; [] if they look complete.

    Each normalisation with statistics has its four arrays, each layer a weight, each numbered sequence has no gaps, and a
    file with one part of a detector has all of them.
    """
    names = set(names)
    missing = []
    layers = {}
    for name in names:
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, set()).add(kind)
    for layer, kinds in sorted(layers.items()):
        wanted = NORM if kinds & {"running_mean", "running_var"} else ("weight",) if "bias" in kinds else ()
        missing += [f"{layer}.{kind}" for kind in wanted if kind not in kinds]
    missing += _gaps(names)
    if any(n.startswith(("neck.", "rpn.", "roi_head.")) for n in names):
        parts = DETECTOR + (("roi_head.box",) if any(n.startswith("roi_head.") for n in names) else ())
        missing += [f"{part}.*" for part in parts if not any(n.startswith(part + ".") for n in names)]
    if any(n.startswith("backbone.layer") for n in names) and "backbone.conv1.weight" not in names:
        missing.append("backbone.conv1.weight")
    return sorted(set(missing))


def _gaps(names) -> list:
    """'prefix.i.*' for numbers below the largest of a sequence that have no weights."""
    numbers = {}
    for name in names:
        for found in re.finditer(r"(^|\.)(layer(?=\d)|)(\d+)(?=\.)", name):
            numbers.setdefault(name[: found.start(3)], set()).add(int(found[3]))
    gaps = []
    for prefix, present in sorted(numbers.items()):
        first = 1 if prefix.endswith("layer") else 0
        gaps += [f"{prefix}{i}.*" for i in range(first, max(present)) if i not in present]
    return gaps
