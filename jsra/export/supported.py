"""Which models can be exported: told from the config, before anything is built."""

from __future__ import annotations

import importlib.util

from jsra.inference import test_transforms
from jsra.registry import ConfigError

EXTRACTORS = ("FPNRoIExtractor", "SingleRoIExtractor")
ROI_LAYERS = ("RoIAlign", "SemanticRoIAlign")
# The parts of a detector, and the types of each that can be written.
TYPES = {
    "": ("FasterRCNN", "MaskRCNN"),
    "backbone": ("ResNet", "ResNeXt", "EfficientNetLite"),
    "neck": ("FPN",),
    "rpn": ("RPNHead",),
    "rpn.anchor_generator": ("AnchorGenerator",),
    "rpn.box_coder": ("DeltaXYWHBBoxCoder",),
    "roi_head": ("RoIHead",),
    "roi_head.box": ("BoxBranch",),
    "roi_head.box.extractor": EXTRACTORS,
    "roi_head.box.extractor.roi_layer": ROI_LAYERS,
    "roi_head.box.head": ("Shared2FCBBoxHead",),
    "roi_head.box.head.box_coder": ("DeltaXYWHBBoxCoder",),
}
BRANCH_TYPES = {"": ("MaskBranch",), "extractor": EXTRACTORS, "extractor.roi_layer": ROI_LAYERS, "head": ("FCNMaskHead",)}
# Settings that can have one value only.
VALUES = {"per_level": False, "mode": "avg"}
TRANSFORMS = ("Resize", "Normalize", "Pad")


def check_installed(packages):
    """Raise an ImportError, with the cure, where one of the packages is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{' and '.join(missing)} not found; install: pip install 'jsra[export]'")


def check_supported(config, name: str):
    """Raise a ConfigError that lists everything in a config that cannot be exported. name: the config's, for the message."""
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
            # Within a part of another type, which has its own line, anything may be missing.
            if "." not in path:
                yield f"{where} is missing; it must be {' or '.join(known)}"
            continue
        if part.get("type") not in known:
            yield f"{where} is {part.get('type')}; it must be {' or '.join(known)}"
        for key, value in VALUES.items():
            if part.get(key, value) != value:
                yield f"{where}.{key} is {part[key]!r}; it must be {value!r}"


def _transforms(config):
    for transform in test_transforms(config):
        kind = transform.get("type") if isinstance(transform, dict) else transform
        if kind not in TRANSFORMS:
            yield f"the test transform {kind}; it must be {' or '.join(TRANSFORMS)}"
