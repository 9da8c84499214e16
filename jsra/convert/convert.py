"""Weights of mmdet, torchvision, JDet and of this package, each into the other.

Conventions that differ: the background is the first class here and in torchvision, the last in mmdet; class-specific boxes
and masks have no rows for the background here and in mmdet, four first ones and a first one in torchvision. torchvision
numbers COCO's classes by their category ids, 1 to 90 with gaps. Where Swin merges 2 x 2 patches, the four are the blocks of
channels here, down before right; mmdet has the four of a channel next to one another, right before down.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from jsra.convert.names import CLASSIFIERS, FAMILIES, IGNORED, current, family_of, from_ours, to_ours, unwrapped
from jsra.convert.torch_file import WeightsError

# COCO's category ids that no category has.
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
BACKGROUND_LAST = ("mmdet", "mmtrack", "dynamic_head")  # families whose last class is the background
COCO_IDS = tuple(i for i in range(1, 91) if i not in COCO_GAPS)


class Converted(NamedTuple):
    """arrays: by their new names. family: whose names the source had. ignored: source names without use (counters, the
    classifier of a classification network); unexpected: source names that nothing corresponds to; reshaped: new names whose
    rows were moved, added or dropped, with what was done."""

    arrays: dict
    family: str
    ignored: list
    unexpected: list
    reshaped: dict


# The layers of our branches' heads with rows for each class -> rows of a class.
_CLASS_ROWS = {"cls": 1, "box": 4, "logits": 1}


def _class_layer(name):
    """'cls', 'box' or 'logits' (of masks) for a weight or bias of a layer with rows for each class, else None."""
    found = re.match(r"roi_head\..*\bhead\.(cls|box|logits)\.(weight|bias)$", name)
    return found and found[1]


# Linear layers of DyHead by its authors, 1x1 convolutions here.
_DYNAMIC_RELU = re.compile(r"^neck\.blocks\.\d+\.task\.conv[12]\.weight$")


def _from_family(name, array, family, coco_ids):
    """Our form of a weight -> (array, what was done or '')."""
    layer, notes = _class_layer(name), []
    if family == "dynamic_head" and _DYNAMIC_RELU.match(name):
        return array[:, :, None, None], "linear layer converted to a 1x1 convolution"
    if layer is None:
        return array, ""
    rows = _CLASS_ROWS[layer]
    if layer == "cls" and family in BACKGROUND_LAST:
        array = np.concatenate([array[-1:], array[:-1]])
        notes.append("background moved from the last row to the first")
    if layer != "cls" and family == "torchvision":
        array = array[rows:]
        notes.append(f"the background's {_rows(rows)} dropped")
    if coco_ids and len(array) > rows:  # no more: the same for all classes
        background = 1 if layer == "cls" else 0
        _check_rows(name, array, rows * (90 + background))
        kept = [i * rows + row for i in [0] * background + [i - 1 + background for i in COCO_IDS] for row in range(rows)]
        array = array[kept]
        notes.append(f"rows of the 80 categories taken from {90 + background}")
    return array, "; ".join(notes)


def _rows(count):
    return "row" if count == 1 else f"{count} rows"


def _check_rows(name, array, expected):
    if len(array) != expected:
        raise WeightsError(
            f"{name} has {len(array)} rows: coco80 takes the 80 categories out of a head of COCO's 90 category ids, as "
            f"torchvision's, which has {expected}; convert these weights without it (--classes)"
        )


def _to_family(name, array, family):
    layer = _class_layer(name)
    if family == "dynamic_head" and _DYNAMIC_RELU.match(name):
        return array[:, :, 0, 0], "1x1 convolution converted to a linear layer"
    if layer == "cls" and family in BACKGROUND_LAST:
        return np.concatenate([array[1:], array[:1]]), "background moved from the first row to the last"
    if layer in ("box", "logits") and family == "torchvision":
        rows = _CLASS_ROWS[layer]
        return np.concatenate([np.zeros_like(array[:rows]), array]), f"{_rows(rows)} of zeros for the background added"
    return array, ""


_MERGING = re.compile(r"^(detector\.)?backbone\.stages\.\d+\.downsample\.")  # by mmdet's names


def _merging(array, to_mmdet=False):
    """[..., 4 C] of the channels of merged patches: from mmdet's order to ours, or back."""
    inner = (2, 2, -1) if to_mmdet else (-1, 2, 2)
    return np.ascontiguousarray(array.reshape(*array.shape[:-1], *inner).swapaxes(-1, -3)).reshape(array.shape)


# mmdet's PVTv2 by our names: one layer gives queries, keys and values; linear layers of the MLPs are 1x1 convolutions.
_PVT_JOINT = re.compile(r"^(backbone\.block\d+\.\d+\.attn\.)in_proj_(weight|bias)$")
_PVT_MLP = re.compile(r"^backbone\.block\d+\.\d+\.mlp\.fc[12]\.weight$")


def _parts(theirs, ours, array, family, coco_ids):
    """[(our name, our form, what was done or '')] of a weight; more than one where ours are of several layers."""
    if _MERGING.match(theirs):
        return [(ours, _merging(array), "channels of the merged patches reordered")]
    joint = _PVT_JOINT.match(ours)
    if joint:
        (place, kind), width, note = joint.groups(), len(array) // 3, "layer of queries, keys and values split"
        return [(f"{place}q.{kind}", array[:width], note), (f"{place}kv.{kind}", array[width:], note)]
    if _PVT_MLP.match(ours) and array.ndim == 4:
        return [(ours, array[:, :, 0, 0], "1x1 convolution converted to a linear layer")]
    return [(ours, *_from_family(ours, array, family, coco_ids))]


# Detectors whose names look like those of one of FAMILIES, and mean other things.
_FOREIGN = {"backbone.bottom_up.": "detectron2", "proposal_generator.": "detectron2"}
_NUMBERS = re.compile(r"(^|[._])(weight|bias|running_mean|running_var)$")


def _check(name, array, family):
    """WeightsError for a weight that no rule holds for."""
    if _NUMBERS.search(name) and array.dtype.kind != "f":
        raise WeightsError(f"{name} has dtype {array.dtype}: weights are floating-point numbers; quantised ones are not read")
    whose = next((whose for start, whose in _FOREIGN.items() if name.startswith(start)), None)
    if whose and family not in ("jsra", "dynamic_head"):
        raise WeightsError(f"{name}: these are names of {whose}, whose detectors are not converted")


def to_jsra(arrays: dict, family: str | None = None, classes: str | None = None, needed=()) -> Converted:
    """Weights by anybody's names -> by ours.

    family: one of jsra.convert.names.FAMILIES, or 'jsra'; None finds out, and drops what programs put before all names.
    classes='coco80' takes the 80 classes of COCO in the order of our labels out of torchvision's 91. needed: the names of
    the model, where it is known: weights that have all of them are by our names, also those of a user's own detector.

    Raises WeightsError for a head of another number of classes, for two weights of one name, and for whole numbers.
    """
    if family is None:
        own = needed and set(needed) <= set(map(current, arrays))
        arrays = arrays if own else unwrapped(arrays)
        family = "jsra" if own else family_of(arrays)
    if family not in (*FAMILIES, "jsra"):
        raise WeightsError(f"unknown naming scheme {family!r}; known: {', '.join(FAMILIES)}, jsra")
    if classes not in (None, "coco80"):
        raise WeightsError(f"classes: {classes!r} is not known; 'coco80' is")
    result, sources = Converted({}, family, [], [], {}), {}
    for name, array in arrays.items():
        ours = to_ours(name, family)
        if IGNORED.search(name) and ours not in needed:
            result.ignored.append(name)
            continue
        _check(name, array, family)
        if ours is None:
            result.unexpected.append(name)
            continue
        for part, value, note in _parts(name, ours, array, family, classes == "coco80"):
            if part in sources:
                raise WeightsError(f"{sources[part]} and {name} both give {part}: delete the one that is not wanted")
            sources[part], result.arrays[part] = name, value
            if note:
                result.reshaped[part] = note
    return result


def from_jsra(arrays: dict, family: str) -> Converted:
    """Weights by our names -> by the family's. Those of CLASSIFIERS give the backbone alone."""
    result = Converted({}, "jsra", [], [], {})
    for name, array in arrays.items():
        theirs = from_ours(name, family)
        if theirs is None:
            (result.ignored if family in CLASSIFIERS else result.unexpected).append(name)
            continue
        result.arrays[theirs], note = _to_family(name, array, family)
        if _MERGING.match(theirs):
            result.arrays[theirs], note = _merging(array, to_mmdet=True), "channels of the merged patches reordered"
        if note:
            result.reshaped[theirs] = note
    return result
