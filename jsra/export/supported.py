"""Which models can be exported: told from the config, before anything is built."""

from __future__ import annotations

from jsra.registry import ConfigError

EXTRACTORS = ("FPNRoIExtractor", "SingleRoIExtractor")
ROI_LAYERS = ("RoIAlign", "SemanticRoIAlign")
# The parts of a detector, and the types of each that can be written.
TYPES = {
    "": ("FasterRCNN", "MaskRCNN"),
    "backbone": ("ResNet", "ResNeXt"),
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


def check_supported(model: dict, name: str):
    """Raise a ConfigError that lists each part of a config's model that cannot be written. name: the config's, for it."""
    types = dict(TYPES)
    for branch in (model.get("roi_head") or {}).get("branches") or {}:
        types.update({f"roi_head.branches.{branch}.{key}".rstrip("."): value for key, value in BRANCH_TYPES.items()})
    lines = []
    for path, known in types.items():
        part, missing = model, False
        for key in path.split(".") if path else ():
            missing = not isinstance(part, dict) or not isinstance(part.get(key), dict)
            if missing:
                break
            part = part[key]
        where = f"model.{path}".rstrip(".")
        if missing:
            if path.count(".") == 0:
                lines.append(f"{where} is missing; it can be {' or '.join(known)}")
            continue  # the part that holds it is of another type, which has its own line
        if part.get("type") not in known:
            lines.append(f"{where} is {part.get('type')}; it can be {' or '.join(known)}")
        for key, value in VALUES.items():
            if part.get(key, value) != value:
                lines.append(f"{where}.{key} is {part[key]!r}; it can be {value!r}")
    if lines:
        raise ConfigError(f"{name} cannot be exported:\n  " + "\n  ".join(lines))


def check_transforms(transforms: list, name: str):
    """Raise a ConfigError where the test transforms of a config do more than to resize, normalise and pad."""
    others = [t.get("type") for t in transforms if t.get("type") not in TRANSFORMS]
    if others:
        raise ConfigError(
            f"{name} cannot be exported: its test transforms have {', '.join(map(str, others))}; they can have "
            f"{', '.join(TRANSFORMS)}"
        )
