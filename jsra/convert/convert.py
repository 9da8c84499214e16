"""Weights of mmdet, torchvision, JDet and of this package, each into the other.

Conventions that differ: the background is the first class here and in torchvision, the last in mmdet; class-specific boxes
have no rows for the background here and in mmdet, four first ones in torchvision. torchvision numbers COCO's classes by
their category ids, 1 to 90 with gaps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jsra.convert.names import CLASSIFIERS, FAMILIES, IGNORED, family_of, from_ours, to_ours
from jsra.convert.torch_file import WeightsError

# COCO's category ids that no category has.
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
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


def _is_class_layer(name, part):
    return name.startswith("roi_head.box.") and (name.endswith((f".{part}.weight", f".{part}.bias")))


def _from_family(name, array, family, coco_ids):
    """Our form of a box head's class layers -> (array, what was done or '')."""
    notes = []
    if _is_class_layer(name, "cls"):
        if family == "mmdet":
            array = np.concatenate([array[-1:], array[:-1]])
            notes.append("background moved from the last row to the first")
        if coco_ids:
            _check_rows(name, array, 91)
            array = array[[0, *COCO_IDS]]
            notes.append("rows of the 80 categories taken from 91")
    elif _is_class_layer(name, "box"):
        if family == "torchvision":
            array = array[4:]
            notes.append("the background's four rows dropped")
        if coco_ids and len(array) > 4:  # 4: the same box for all classes
            _check_rows(name, array, 4 * 90)
            array = np.concatenate([array[4 * (i - 1) : 4 * i] for i in COCO_IDS])
            notes.append("rows of the 80 categories taken from 90")
    return array, "; ".join(notes)


def _check_rows(name, array, expected):
    if len(array) != expected:
        raise WeightsError(
            f"{name} has {len(array)} rows: coco80 takes the 80 categories out of a head of COCO's 90 category ids, as "
            f"torchvision's, which has {expected}; convert these weights without it (--classes)"
        )


def _to_family(name, array, family):
    if _is_class_layer(name, "cls") and family == "mmdet":
        return np.concatenate([array[1:], array[:1]]), "background moved from the first row to the last"
    if _is_class_layer(name, "box") and family == "torchvision":
        return np.concatenate([np.zeros_like(array[:4]), array]), "four rows of zeros for the background added"
    return array, ""


def to_jsra(arrays: dict, family: str | None = None, classes: str | None = None) -> Converted:
    """Weights by anybody's names -> by ours.

    family: one of jsra.convert.names.FAMILIES, or 'jsra'; None finds out. classes='coco80' takes the 80 classes of COCO
    in the order of our labels out of torchvision's 91; WeightsError for a head of another number of classes.
    """
    family = family or family_of(arrays)
    if family not in (*FAMILIES, "jsra"):
        raise WeightsError(f"unknown family of names {family!r}; known: {', '.join(FAMILIES)}, jsra")
    if classes not in (None, "coco80"):
        raise WeightsError(f"classes: {classes!r} is not known; 'coco80' is")
    result = Converted({}, family, [], [], {})
    for name, array in arrays.items():
        ours = to_ours(name, family)
        if IGNORED.search(name):
            result.ignored.append(name)
        elif ours is None:
            result.unexpected.append(name)
        else:
            result.arrays[ours], note = _from_family(ours, array, family, classes == "coco80")
            if note:
                result.reshaped[ours] = note
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
        if note:
            result.reshaped[theirs] = note
    return result
