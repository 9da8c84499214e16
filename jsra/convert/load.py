"""Loads the weights of a file into a model, and reports which of them fitted."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import jittor as jt
import numpy as np

from jsra.convert.convert import to_jsra
from jsra.convert.files import read_weights
from jsra.convert.names import ADDED, CLASSIFIERS, DETECTORS, from_ours
from jsra.convert.position_tables import fitted
from jsra.convert.torch_file import WeightsError

# Other places in a model for a classifier's weights, (prefix of the names, prefix there): for Res5BoxHead, SeparateRPN.
COPIES = (("backbone.layer4.", "roi_head.box.head.layer4."), ("backbone.", "rpn_backbone."))
WHOLE = ("backbone", "motion")  # parts that a file must have all of if it has any
# Parts that a detector may not have: modules that combine video frames; branches of the RoI head (also torchvision's,
# mmdet's).
_SPARE = re.compile(
    r"(motion|aggregator|semantic_head)\.|roi_heads\.keypoint_|roi_head\.(mask_iou_head|(?!\w+_(head|extractor)\.)\w+)\."
)
_COUNTERS = "num_batches_tracked"  # PyTorch's batch norms have one each


class Report(NamedTuple):
    """Names of the model: matched, missing (the file has none), mismatched (name -> the two shapes). Names of the file:
    unexpected (no place in the model), ignored (needed nowhere). reshaped: name -> how rows were moved to fit."""

    family: str
    matched: list
    missing: list
    unexpected: list
    mismatched: dict
    reshaped: dict
    ignored: list

    def __str__(self):
        lines = [f"{len(self.matched)} weights matched ({self.family} names)"]
        for title, names in (("missing", self.missing), ("unexpected", self.unexpected), ("ignored", self.ignored)):
            if names:
                lines.append(f"{len(names)} {title}: {_by_layers(names)}")
        for title, notes in (("of another shape", self.mismatched), ("reshaped", self.reshaped)):
            if notes:
                lines.append(f"{len(notes)} {title}: {_shortened([f'{k} ({v})' for k, v in notes.items()])}")
        return "\n".join(lines)


def _by_layers(names, most=12) -> str:
    """The names; if they are more than `most`, the modules that they belong to, with the number of names of each."""
    for depth in (99, 3, 2, 1):
        groups = Counter(_COUNTERS if n.endswith(_COUNTERS) else ".".join(n.split(".")[:depth]) for n in names)
        if len(groups) <= most:
            return ", ".join(f"{group} ({count})" if count > 1 else group for group, count in groups.items())
    return _shortened(names, most)


def _shortened(names, most=12) -> str:
    names = list(names)
    rest = f", ... and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def match(shapes: dict, converted) -> Report:
    """The Report: which arrays of `converted` (jsra.convert.convert.Converted, by our names) fit a model of {name: shape}."""
    matched, mismatched = [], {}
    if converted.family in ADDED:
        added = ADDED[converted.family]
        shapes = {n: s for n, s in shapes.items() if n in converted.arrays or not added.match(n)}
    for name, shape in shapes.items():
        if name in converted.arrays:
            found = tuple(converted.arrays[name].shape)
            if found == tuple(shape):
                matched.append(name)
            else:
                mismatched[name] = f"{list(found)} in the file, {list(shape)} in the model"
    missing = [name for name in shapes if name not in converted.arrays]
    unexpected = converted.unexpected + [name for name in converted.arrays if name not in shapes]
    reshaped = {k: v for k, v in converted.reshaped.items() if k in shapes}
    return Report(converted.family, matched, missing, unexpected, mismatched, reshaped, converted.ignored)


def misplaced(shapes: dict, converted, report: Report) -> list:
    """The names in a file which show that it belongs to another model than one of {name: shape}: a deeper backbone, another
    neck, an extractor with weights. These are all names that the model does not have, except whole parts of _SPARE."""
    parts = {_part(name) for name in shapes}
    foreign = () if converted.family in DETECTORS else set(converted.unexpected) - set(_inside(converted))
    return [n for n in report.unexpected if n not in foreign and (not _SPARE.match(n) or _part(n) in parts)]


def _inside(converted) -> list:
    """The unexpected names of a classifier's file inside its backbone: layers that our backbone lacks."""
    family = converted.family
    theirs = [from_ours(name, family) for name in converted.arrays] if family in CLASSIFIERS else []
    parts = {name.split(".")[0] for name in theirs if name}
    return [name for name in converted.unexpected if name.split(".")[0] in parts]


def _part(name):
    """The part of the model that a name belongs to, e.g. 'neck', 'roi_head.mask'."""
    return ".".join(name.split(".")[: 2 if name.startswith("roi_head.") else 1])


def not_finite(arrays: dict) -> list:
    """The names of the arrays that contain NaN or infinity."""
    return [name for name, array in arrays.items() if not np.isfinite(array).all()]


def _with_copies(shapes, converted):
    """A classifier's weights, also under those names of COPIES that the model has."""
    if converted.family not in CLASSIFIERS:
        return converted
    arrays = dict(converted.arrays)
    for here, there in COPIES:
        for name in [n for n in arrays if n.startswith(here)]:
            copy = there + name[len(here) :]
            if copy in shapes:
                arrays[copy] = arrays[name] if name in shapes else arrays.pop(name)
    return converted._replace(arrays=arrays)


def load_weights(model, path, strict=False, classes=None, family=None) -> Report:
    """Copy the weights of a file (.pth, .pt, .safetensors, .npz; names of this package, mmdet or torchvision) into the model.

    strict: the file must have all weights of the model with the same shapes, and belong to this model (see `misplaced`).
    Otherwise the weights that fit are loaded, e.g. a pretrained backbone, or a model with other classes. But if the file has
    a backbone, this must be complete, and the model must use all of it (a ResNet-101's file contains all names of a
    ResNet-50).
    classes, family: see jsra.convert.convert.to_jsra. Returns the Report. Raises WeightsError; the model is then not changed.
    """
    return load_arrays(model, read_weights(path), path, strict, classes, family)


def load_arrays(model, arrays, path, strict=False, classes=None, family=None) -> Report:
    """`load_weights` for {name: array} that were already read; `path` is only for messages."""
    state = model.state_dict()
    shapes = {name: tuple(var.shape) for name, var in state.items()}
    converted = to_jsra(arrays, family, classes, shapes)
    converted = _with_copies(shapes, fitted(shapes, converted))
    report = match(shapes, converted)
    absent = report.missing + list(report.mismatched)
    if not report.matched:
        raise WeightsError(f"{path}: no weight in it matches the model\n{report}")
    whole = {n.split(".")[0] for n in converted.arrays} & set(WHOLE)
    needed = absent if strict else [n for n in absent if n.split(".")[0] in whole]
    if needed:
        raise WeightsError(
            f"{path}: {len(needed)} weights that the model needs are missing or of another shape\n{report}"
        )
    deeper = [n for n in converted.arrays if n.startswith("backbone.") and n not in state]
    deeper += _inside(converted)
    if deeper and not strict:
        raise WeightsError(
            f"{path}: {len(deeper)} weights of its backbone do not exist in the model's, which is different (another "
            f"depth or kind?): use weights of the model's backbone, or the model of this file\n{report}"
        )
    other = misplaced(shapes, converted, report) if strict else []
    if other:
        raise WeightsError(
            f"{path}: {len(other)} weights have no place in the model, which is not that of the file (another depth, neck "
            f"or extractor?): use the file's config; the first are {_shortened(other, 3)}\n{report}"
        )
    broken = not_finite({n: converted.arrays[n] for n in report.matched})
    if broken:
        raise WeightsError(f"{path}: {len(broken)} weights contain NaN or infinity: {_shortened(broken)}")
    for name in report.matched:
        state[name].update(jt.array(converted.arrays[name]))
    return report
