"""Converts targets and results between JDet and jsra."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.data.masks import InstanceMasks


def arrays(value):
    """A Var, or a list, tuple or dict, with NumPy arrays instead of Vars."""
    if isinstance(value, jt.Var):
        return value.numpy()
    if isinstance(value, dict):
        return {key: arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(arrays(item) for item in value)
    return value


def targets_of_jdet(targets):
    """JDet's targets as targets of jsra: NumPy arrays; without `bboxes` (rotated datasets), `hboxes` are used."""
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
    """A target or result of jsra for JDet's Runner, which accepts neither None nor bytes, and only Python's scalars."""
    if isinstance(value, dict):
        return {key: for_jdet(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return type(value)(for_jdet(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, InstanceMasks):
        return np.asarray(value)
    return value.decode("ascii") if isinstance(value, bytes) else value
