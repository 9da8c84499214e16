"""Checks from the config whether a model can be exported, before anything is built."""

from __future__ import annotations

import importlib.util

from jsra.data.transforms import test_transforms
from jsra.registry import ConfigError

EXTRACTORS = ("FPNRoIExtractor", "SingleRoIExtractor")
ROI_LAYERS = ("RoIAlign", "SemanticRoIAlign")
# The parts of a detector, and the types that can be exported.
TYPES = {
    "": ("FasterRCNN", "MaskRCNN"),
    "backbone": ("ResNet", "ResNeXt", "EfficientNetLite"),
    "neck": ("FPN",),
    "rpn": ("RPNHead",),
    "rpn.anchor_generator": ("AnchorGenerator",),
    "rpn.box_coder": ("DeltaXYWHBBoxCoder",),
    "rpn.test_proposals": ("ProposalSelector",),
    "roi_head": ("RoIHead",),
    "roi_head.box": ("BoxBranch",),
    "roi_head.box.extractor": EXTRACTORS,
    "roi_head.box.extractor.roi_layer": ROI_LAYERS,
    "roi_head.box.head": ("Shared2FCBBoxHead",),
    "roi_head.box.head.box_coder": ("DeltaXYWHBBoxCoder",),
    "roi_head.box.head.loss_cls": ("CrossEntropyLoss", "FocalLoss"),
    "roi_head.box.test": ("DetectionSelector",),
}
BRANCH_TYPES = {"": ("MaskBranch",), "extractor": EXTRACTORS, "extractor.roi_layer": ROI_LAYERS, "head": ("FCNMaskHead",)}
# Settings for which only one value is supported.
VALUES = {"per_level": False, "mode": "avg"}
TRANSFORMS = ("Resize", "Normalize", "Pad")


def check_installed(packages):
    """Raise ImportError, which says how to install it, if one of the packages is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{' and '.join(missing)} not found; install: pip install 'jsra[export]'")


def check_supported(config, name: str):
    """Raise ConfigError with a list of everything in a config that cannot be exported. name: of the config, for messages."""
    lines = [*_parts(config.get("model") or {}), *_transforms(config)]
    if lines:
        raise ConfigError(f"{name} cannot be exported:\n  " + "\n  ".join(lines))


def _parts(model):
    types = dict(TYPES)
    for branch in (model.get("roi_head") or {}).get("branches") or {}:
        types.update({f"roi_head.branches.{branch}.{key}".rstrip("."): known for key, known in BRANCH_TYPES.items()})
    for path, known in types.items():
        part = model
        for key in path.split(".") if path else ():
            part = part.get(key) if isinstance(part, dict) else None
        where = f"model.{path}".rstrip(".")
        if not isinstance(part, dict):
            # Settings inside a part of an unsupported type may be missing; the type is already reported.
            if "." not in path:
                yield f"{where} is missing; it must be {' or '.join(known)}"
            continue
        if part.get("type") not in known:
            yield f"{where} is {part.get('type')}; it must be {' or '.join(known)}"
        for key, value in VALUES.items():
            if part.get(key, value) != value:
                yield f"{where}.{key} is {part[key]!r}; it must be {value!r}"


def _transforms(config):
    kinds = [t.get("type") if isinstance(t, dict) else t for t in test_transforms(config)]
    for kind in kinds:
        if kind not in TRANSFORMS:
            yield f"the test transform {kind}; it must be {' or '.join(TRANSFORMS)}"
    names = ", ".join(map(str, kinds))
    if kinds and kinds.count("Normalize") != 1:
        yield f"the test transforms {names}: Normalize must occur once"
    if "Resize" in kinds[1:]:
        yield f"the test transforms {names}: Resize is not in the file; it must be the first, and occur once"
