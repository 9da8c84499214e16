"""Finds the state dict in a checkpoint: frameworks store it next to other things, also one dictionary inside another."""

from __future__ import annotations

import numpy as np

from jsra.convert.torch_file import Tensor, Unread

# Keys under which frameworks store the state dict in a checkpoint.
KEYS = ("state_dict", "model", "model_state_dict", "module", "state_dict_ema")
_CAFFE2 = "blobs"  # of Caffe2 and Detectron, whose names jsra.convert.convert refuses


def inward(content):
    """Yield (key, dictionary that has it) for each step from the content of a file to its state dict."""
    for key in (*KEYS, *KEYS, _CAFFE2):  # of Lightning and others, in any order
        if isinstance(content, dict) and _has_tensors(content.get(key)):  # `model` may also be a config
            yield key, content
            content = content[key]


def _has_tensors(value) -> bool:
    """Whether a value is a dictionary with tensors, or one inside it under one of the KEYS is."""
    return isinstance(value, dict) and any(
        isinstance(item, (np.ndarray, Tensor, Unread)) or (key in KEYS and _has_tensors(item)) for key, item in value.items()
    )
