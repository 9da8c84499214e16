"""The settings of parts, completed with the defaults of their constructors and the versions of code, as plain data; and the
differences of two such settings."""

from __future__ import annotations

import inspect
import json

from jsra.arguments import parameters
from jsra.registry import registered

# Versions of code that no config names. training: the loop, its seeds and the order of random numbers; data: reading, order
# and batching of samples; operators: results of jsra.ops and cuda_src, beyond rounding.
CODE = {"training": 1, "data": 1, "operators": 1}

# Keys of a config for the place and frequency of output. The seed is compared separately: runs of a row differ only in it.
OUTPUT = (
    "name", "work_dir", "seed", "eval_interval", "checkpoint_interval", "checkpoint_keep", "log_interval", "best_metric",
    "logger",
)  # fmt: skip


def defaults(function) -> dict:
    """{name: default} for the arguments of a function, or of a class, including those that get its **kwargs."""
    known = parameters(function) if inspect.isclass(function) else inspect.signature(function).parameters
    return {name: p.default for name, p in known.items() if p.default is not p.empty}


def without_helpers(config) -> dict:
    """The settings of a config: without the helpers of its file, whose names begin with an underscore."""
    return {key: value for key, value in config.items() if not str(key).startswith("_")}


def completed(value):
    """Settings, completed with the defaults and the version of every part in them."""
    return _complete(value, registered())


def _complete(value, classes):
    if isinstance(value, (list, tuple)):
        return [_complete(item, classes) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: item for key, item in value.items() if key != "num_workers"}
    cls = classes.get(value.get("type")) if isinstance(value.get("type"), str) else None
    if cls is not None:
        filled = {key: item for key, item in defaults(cls).items() if key != "num_workers"}
        found = {**filled, **found, "code": getattr(cls, "version", 1)}
    return {key: _complete(item, classes) for key, item in found.items()}


def plain(value):
    """The value as it is after writing and reading JSON; 1.0 becomes 1."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy numbers and arrays, which a Python config may compute
        return plain(value.tolist())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return f"{type(value).__module__}.{type(value).__qualname__}"


def differences(old: dict, new: dict, wording: str = "{} was {}, now {}", most: int = 4) -> str:
    """The differences of two plain settings as text: 'model.depth was 18, now 50; ...'. wording: for the path of a setting
    and its two values."""
    lines = [wording.format(*found) for found in _differences(old, new, "")]
    return "; ".join(lines[:most]) + (f"; and {len(lines) - most} more" if len(lines) > most else "")


def _differences(old, new, path):
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new)):
            yield from _differences(*pair, f"{path}.{i}")
    elif old != new:
        yield path, _short(old), _short(new)


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
