"""What crosses the border between JDet and jsra: targets and results."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.data.masks import InstanceMasks


def arrays(value):
    """NumPy arrays in place of the Vars in a Var, list, tuple or dict."""
    if isinstance(value, jt.Var):
        return value.numpy()
    if isinstance(value, dict):
        return {key: arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(arrays(item) for item in value)
    return value


def targets_of_jdet(targets):
    """JDet's targets as jsra's: NumPy, and the boxes of its rotated datasets' `hboxes` where there are no `bboxes`."""
    if targets is None:
        return None
    own = []
    for target in arrays(targets):
        for ours, theirs in (("bboxes", "hboxes"), ("bboxes_ignore", "hboxes_ignore")):
            if ours not in target and theirs in target:
                target = {**target, ours: target[theirs]}
        own.append(target)
    return own


def for_jdet(value):
    """A target or result of jsra that JDet's Runner accepts: it knows no None and no bytes, and only Python's scalars."""
    if isinstance(value, dict):
        return {key: for_jdet(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return type(value)(for_jdet(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, InstanceMasks):
        return np.asarray(value)
    return value.decode("ascii") if isinstance(value, bytes) else value
