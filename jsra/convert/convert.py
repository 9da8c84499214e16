"""Converts weights between mmdet, torchvision, JDet and this package.

Conventions that differ: the background is the first class here and in torchvision, the last in mmdet. Class-specific boxes
and masks have no rows for the background here and in mmdet; in torchvision these rows come first (four for boxes, one for
masks). torchvision numbers COCO's classes by their category ids, 1 to 90 with gaps. Where Swin merges 2 x 2 patches, the
channels of a patch are contiguous here, in the order (0, 0), (1, 0), (0, 1), (1, 1) of (row, column); in mmdet the four
patches of a channel are contiguous, in the order (0, 0), (0, 1), (1, 0), (1, 1).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from jsra.convert.names import CLASSIFIERS, FAMILIES, IGNORED, current, family_of, from_ours, to_ours, unwrapped
from jsra.convert.torch_file import WeightsError

# Category ids that COCO does not use.
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
BACKGROUND_LAST = ("mmdet", "mmtrack", "dynamic_head")  # families whose last class is the background
COCO_IDS = tuple(i for i in range(1, 91) if i not in COCO_GAPS)


class Converted(NamedTuple):
    """arrays: {new name: array}. family: the naming scheme of the source. ignored: source names that are not needed
    (counters, the classifier of a classification network); unexpected: source names without a counterpart; reshaped: {new
    name: what was done} for arrays whose rows were moved, added or dropped."""

    arrays: dict
    family: str
    ignored: list
    unexpected: list
    reshaped: dict


# Layers of our branches' heads with rows for each class -> number of rows per class.
_CLASS_ROWS = {"cls": 1, "box": 4, "logits": 1}


def _class_layer(name):
    """'cls', 'box' or 'logits' (of masks) for the weight or bias of a layer with rows for each class, else None."""
    found = re.match(r"roi_head\..*\bhead\.(cls|box|logits)\.(weight|bias)$", name)
    return found and found[1]


# These are linear layers in DyHead by its authors, 1x1 convolutions here.
_DYNAMIC_RELU = re.compile(r"^neck\.blocks\.\d+\.task\.conv[12]\.weight$")


def _from_family(name, array, family, coco_ids):
    """Convert one weight to our form; returns (array, what was done or '')."""
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
    if coco_ids and len(array) > rows:  # otherwise it is class-agnostic
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
    """Reorder the channels [..., 4 C] of merged patches: from mmdet's order to ours, or back."""
    inner = (2, 2, -1) if to_mmdet else (-1, 2, 2)
    return np.ascontiguousarray(array.reshape(*array.shape[:-1], *inner).swapaxes(-1, -3)).reshape(array.shape)


# mmdet's PVTv2, by our names: one layer for queries, keys and values; linear layers of the MLPs are 1x1 convolutions.
_PVT_JOINT = re.compile(r"^(backbone\.block\d+\.\d+\.attn\.)in_proj_(weight|bias)$")
_PVT_MLP = re.compile(r"^backbone\.block\d+\.\d+\.mlp\.fc[12]\.weight$")


def _parts(theirs, ours, array, family, coco_ids):
    """[(our name, our array, what was done or '')] for one weight; several entries if it belongs to several of our layers."""
    if _MERGING.match(theirs):
        return [(ours, _merging(array), "channels of the merged patches reordered")]
    joint = _PVT_JOINT.match(ours)
    if joint:
        (place, kind), width, note = joint.groups(), len(array) // 3, "layer of queries, keys and values split"
        return [(f"{place}q.{kind}", array[:width], note), (f"{place}kv.{kind}", array[width:], note)]
    if _PVT_MLP.match(ours) and array.ndim == 4:
        return [(ours, array[:, :, 0, 0], "1x1 convolution converted to a linear layer")]
    return [(ours, *_from_family(ours, array, family, coco_ids))]


# Detectors whose names look like those of one of FAMILIES, but have another meaning.
_FOREIGN = {"backbone.bottom_up.": "detectron2", "proposal_generator.": "detectron2", "res2_0_branch": "Caffe2"}
_NUMBERS = re.compile(r"(^|[._])(weight|bias|running_mean|running_var)$")


def _check(name, array, keeps):
    """Raise WeightsError for a weight that cannot be converted. keeps: whether names of other programs are kept."""
    if _NUMBERS.search(name) and array.dtype.kind != "f":
        raise WeightsError(f"{name} has dtype {array.dtype}: weights are floating-point numbers; quantised ones are not read")
    whose = next((whose for start, whose in _FOREIGN.items() if name.startswith(start)), None)
    if whose and not keeps:
        raise WeightsError(f"{name}: these are names of {whose}, which are not converted")


# Names that are also those of another family: (recognised, given).
_SHARED = (("mmdet", "jdet"), ("jdet", "mmdet"), ("mmpretrain_swin", "mmdet"))


def to_jsra(arrays: dict, family: str | None = None, classes: str | None = None, needed=()) -> Converted:
    """Convert weights with any known names to ours.

    family: one of jsra.convert.names.FAMILIES, or 'jsra'; None: recognised from the names, without prefixes that all of them
    have. classes='coco80' selects the 80 classes of COCO, in the order of our labels, from torchvision's 91. needed: the
    names of the model, if it is known: weights that include all of them have our names, also those of a user's own detector.

    Raises WeightsError for a head with another number of classes, for two weights with the same name, and for integer
    weights.
    """
    if family not in (None, *FAMILIES, "jsra"):
        raise WeightsError(f"unknown naming scheme {family!r}; known: {', '.join(FAMILIES)}, jsra")
    keeps = family in ("jsra", "dynamic_head")
    if family is None:
        own = needed and set(needed) <= set(map(current, arrays))
        arrays = arrays if own else unwrapped(arrays)
        family = "jsra" if own else family_of(arrays, needed)
        keeps = own or family == "dynamic_head"
    else:
        seen = family_of(arrays, needed)
        if seen != family and "jsra" not in (seen, family) and (seen, family) not in _SHARED:
            raise WeightsError(f"the names are those of {seen}, not of {family}: leave out the naming scheme (--from)")
    if classes not in (None, "coco80"):
        raise WeightsError(f"classes: {classes!r} is not known; 'coco80' is")
    result, sources = Converted({}, family, [], [], {}), {}
    for name, array in arrays.items():
        ours = to_ours(name, family)
        if IGNORED.search(name) and ours not in needed:
            result.ignored.append(name)
            continue
        _check(name, array, keeps or ours in needed)
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
    """Convert weights with our names to those of a family. For a family in CLASSIFIERS, only the backbone is returned."""
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
