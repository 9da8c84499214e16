"""Checks whether weights are complete, from their names alone, without the config of their model."""

from __future__ import annotations

import re

# Weights with the first part must also have the second one.
TOGETHER = (
    ("neck", "backbone"),
    ("rpn", "backbone"),
    ("rpn", "roi_head"),
    ("rpn.cls", "rpn.box"),
    ("rpn.box", "rpn.cls"),
    ("roi_head", "backbone"),
    ("roi_head", "rpn"),
    ("roi_head", "roi_head.box"),
    ("roi_head.mask.head", "roi_head.mask.head.logits"),
    ("head", "backbone"),
    ("head.cls", "head.box"),
    ("head.box", "head.cls"),
    ("neck.fpn_convs", "neck.lateral_convs"),
    ("neck.lateral_convs", "neck.fpn_convs"),
    ("backbone.conv1", "backbone.bn1"),
    ("backbone.layer1", "backbone.conv1"),
    ("backbone.layer2", "backbone.layer1"),
    ("backbone.layer3", "backbone.layer2"),
    ("backbone.layer4", "backbone.layer3"),
)
NORM = ("weight", "bias", "running_mean", "running_var")
# The norms of ResNet and ResNeXt, which have statistics.
_RESNET_NORM = re.compile(r"(rpn_)?backbone\.(bn1|layer\d\.\d+\.(bn\d|downsample\.1))$")
# The weights of all backbones of this package, by the first part of their names.
_BACKBONE = re.compile(
    r"backbone\.(conv1|bn1|layer[1-4]|stem_conv|stem_bn|blocks|patch_embed\d?|pos_embed|level_embed|layers|levels|block\d"
    r"|norm\d|interactions|spm|up)(\.|$)"
)


def incomplete_parts(names) -> list:
    """The missing names of weights with our names; [] if they look complete.

    Each normalisation with statistics needs four arrays, each layer a weight; numbered sequences must have no gaps, and parts
    that belong together (TOGETHER) must occur together.
    """
    names = set(names)
    missing = []
    layers = {}
    for name in names:
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, set()).add(kind)
    for layer, kinds in sorted(layers.items()):
        has_statistics = kinds & {"running_mean", "running_var"} or ("bias" in kinds and _RESNET_NORM.match(layer))
        wanted = NORM if has_statistics else ("weight",) if "bias" in kinds else ()
        missing += [f"{layer}.{kind}" for kind in wanted if kind not in kinds]
    missing += _gaps(names)
    parts = {prefix for name in names for prefix in _prefixes(name)}
    missing += [f"{needed}.*" for part, needed in TOGETHER if part in parts and needed not in parts]
    if {"backbone.layer1", "backbone.conv1"} <= parts and "backbone.conv1.weight" not in names:
        missing.append("backbone.conv1.weight")  # the stem has several convolutions
    return sorted(set(missing))


def foreign_backbone(names) -> list:
    """The names of a backbone that this package does not have, such as a MobileNet or an HRNet."""
    return [name for name in names if name.startswith("backbone.") and not _BACKBONE.match(name)]


def _prefixes(name):
    """The prefixes of a name: 'a', 'a.b' for 'a.b.weight'."""
    words = name.split(".")
    return [".".join(words[:i]) for i in range(1, len(words))]


def _gaps(names) -> list:
    """'prefix.i.*' for each number i below the largest of a sequence that has no weights.

    Sequentials with activations between their layers have gaps too. They are distinguished from lists by their name, which is
    not a plural.
    """
    numbers = {}
    for name in names:
        for found in re.finditer(r"(^|\.)(layer(?=\d)|)(\d+)(?=\.)", name):
            prefix = name[: found.start(3)]
            if prefix.endswith("s.") or "." in name[found.end(3) + 1 :]:
                numbers.setdefault(prefix, set()).add(int(found[3]))
    gaps = []
    for prefix, present in sorted(numbers.items()):
        first = min(present) if prefix.endswith("layer") else 0  # a head may have the last stage of a ResNet alone
        gaps += [f"{prefix}{i}.*" for i in range(first, max(present)) if i not in present]
    return gaps
