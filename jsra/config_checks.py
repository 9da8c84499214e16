"""Checks of a config that is read and merged: its keys, the types of its values, its names."""

from __future__ import annotations

import ast
import datetime
import inspect
import os
from collections import namedtuple

from jsra.arguments import parameters, short
from jsra.registry import ConfigError, nearest, registered

BASE = "_base_"  # the key of a config's bases
COVER = "_cover_"  # the key with which a dictionary replaces one of a base
DELETE = "_delete_"  # the key with which mmcv replaces a dictionary
# Keys of dataset entries in earlier versions, and their replacements.
MOVED = {
    "metrics": "evaluator=[dict(type='COCOBoxAP')] (COCOMaskAP, VOCBoxAP) next to dataset",
    "ap_mode": "evaluator=[dict(type='VOCBoxAP', mode=...)] next to dataset",
}

# Settings of other libraries, and what does the same here.
ELSEWHERE = {
    **dict.fromkeys(
        ("resume", "resume_from", "auto_resume"),
        "`jsra train CONFIG --resume` continues a run, --resume CHECKPOINT an older one",
    ),
    "load_from": "pretrained_weights is the file to start from",
    "custom_imports": "a Python config imports the files of your own parts itself",
}


def check_base(content, path):
    """Raise ConfigError for a key with file names that is meant to be BASE, as it is spelled in other libraries."""
    near = {str(k): v for k, v in content.items() if str(k).startswith("_") and str(k).lower().strip("_") == "base"}
    files = {k: v[0] if isinstance(v, (list, tuple)) and v else v for k, v in near.items() if k != BASE}
    wrong = next((k for k, v in files.items() if isinstance(v, str)), None)
    if wrong:
        raise ConfigError(f"{path}: {wrong!r} is not read: the bases of a config are in {BASE}, written in this way")


# The helper variables (with an underscore) of a file that it sets at its top level, and that it reads.
Helpers = namedtuple("Helpers", "set read")


def helpers_of(path, content) -> Helpers:
    """The Helpers of a config file with this content. In YAML, anchors (&) can read any value."""
    with open(path, encoding="utf-8-sig", errors="replace") as f:  # as Python files are executed
        text = f.read()
    if not path.endswith(".py"):
        return Helpers(set() if "&" in text else set(filter(_is_helper, map(str, content))), set())
    tree = ast.parse(text)
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    if read & {"globals", "locals", "vars", "eval", "exec"}:
        return Helpers(set(), read)
    set_here = {node.id for target in _targets(tree) for node in ast.walk(target) if isinstance(node, ast.Name)}
    return Helpers({name for name in set_here if name in content and _is_helper(name)}, read)


def _targets(tree):
    """The left sides of the assignments in a Python file, also in an `if` and in functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from node.targets
        elif isinstance(node, ast.AnnAssign):
            yield node.target


def _is_helper(name) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in ("_", BASE)


def check_helpers(path, content, merged, helpers, read_below):
    """Raise ConfigError for a helper of a base that the file sets again and does not read: the base was executed before, so
    the new value would have no effect.

    content: of the file; merged: of its bases; helpers: of the file; read_below: the helpers that its bases read.
    """
    for name in sorted(helpers.set - helpers.read):
        if name in read_below and name in merged and not _equal(content.get(name), merged[name]):
            raise ConfigError(
                f"{path}: {name} has no effect: it is a helper of the base, which was executed with its own {name}. Set the "
                "values that were made from it (`jsra config` prints them)"
            )


def _equal(one, other) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # arrays
        return True


def is_code(value) -> bool:
    """Whether a value of a Python file is a module, a function or a class, or what `from __future__` and typing give."""
    given = type(value).__module__ in ("__future__", "typing")
    return given or inspect.ismodule(value) or inspect.isroutine(value) or inspect.isclass(value)


def check_named(scope, keys, path):
    """Raise ConfigError for a function or a class with the name of a setting: it would be left out, and the value of a base
    would stay. (A module may be imported for what it registers.)"""
    for key in keys:
        value = scope.get(key)
        if is_code(value) and not inspect.ismodule(value):
            kind, cure = ("class", f"{key} = dict(...)") if inspect.isclass(value) else ("function", f"{key} = {key}(...)")
            raise ConfigError(
                f"{path}: {key} is a {kind}, but also the name of a setting, which must be a value: write {cure}, or rename "
                f"the {kind}"
            )


def check_code(value, place, path):
    """Raise ConfigError for modules, functions and classes inside a setting: a part is named by text."""
    if is_code(value):
        name = getattr(value, "__name__", "")
        raise ConfigError(
            f"{path}: {place}: a config contains numbers, text, lists and dictionaries, not the "
            f"{'module' if inspect.ismodule(value) else 'class' if inspect.isclass(value) else 'function'} {name}: "
            f"a part is named by text, {place.split('.')[-1]}={name!r}"
        )
    if isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            check_code(item, f"{place}.{key}", path)


def checked(value, path):
    """The value with paths as text. Raises ConfigError for types that cannot be written to logs and checkpoints."""
    if isinstance(value, dict):
        if DELETE in value:
            raise ConfigError(f"{path}.{DELETE} is of another library; here {COVER}=True replaces a dictionary")
        return {key: checked(item, f"{path}.{key}") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(checked(item, f"{path}[{i}]") for i, item in enumerate(value))
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy numbers and arrays, which a Python config may compute
        return checked(value.tolist(), path)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (set, frozenset)):
        raise ConfigError(f"{path}: {value!r} is a set: write a list, [...]")
    if isinstance(value, datetime.date):
        raise ConfigError(f"{path}: {value} is a date: write it as text, in quotes")
    raise ConfigError(
        f"{path}: a config contains numbers, text, lists and dictionaries, not {type(value).__name__} ({short(value)})"
    )


def no_setting(key, known) -> str:
    """A message about a key at the top level that does not exist."""
    return f"there is no setting {key!r}{f'; {ELSEWHERE[key]}' if key in ELSEWHERE else nearest(key, known)}"


def of_missing(key, part, known=None) -> str:
    """For messages: what to say of a key that a part of a config lacks. known: its possible keys; None: those of its type."""
    if known is None:
        cls = registered().get(part["type"]) if isinstance(part.get("type"), str) else None
        known = parameters(cls) if cls else ()
    return ", so it has its default" if key in known else nearest(key, map(str, part))


def check_keys(config, known, path):
    """Raise ConfigError for keys at the top level, and of dataset entries, that do not exist."""
    for key in map(str, config):
        if key not in known and not key.startswith("_"):
            raise ConfigError(f"{path}: {no_setting(key, known)}; helper names begin with an underscore")
    if config.get("dataset", {}) is None:  # the same as missing: code that needs it reports it
        del config["dataset"]
    splits = config.get("dataset", {})
    if not isinstance(splits, dict):
        raise ConfigError(f"{path}: dataset: expected a dictionary of splits (train, val, ...), got {splits!r}")
    for split, settings in splits.items():
        if not isinstance(settings, (dict, type(None))):
            raise ConfigError(f"{path}: dataset.{split}: expected a dataset (a dict with its type), got {settings!r}")
        for key in MOVED:
            if key in (settings or {}):
                raise ConfigError(f"{path}: dataset.{split}.{key} no longer exists; write {MOVED[key]}")


def check_empty(config, path):
    """An empty dictionary is all defaults where a setting has them, and lacks its type where a part is expected."""
    for key in ("amp", "ema"):
        if config.get(key) == {}:
            config[key] = True
    for key in ("model", "optimizer", "scheduler", "parameter_groups_generator", "feature_cache"):
        if config.get(key) == {}:
            raise ConfigError(f"{path}: {key}: an empty dictionary: give its settings, or leave {key} out")


def check_names(config, path):
    """Check the name and the work_dir; in the work_dir, `~` becomes the user's folder."""
    for key in ("name", "work_dir"):
        if not isinstance(config[key], str) or not config[key]:
            raise ConfigError(f"{path}: {key}: expected text, got {config[key]!r}")
        if "\0" in config[key]:
            raise ConfigError(f"{path}: {key}: {config[key]!r} has a null character: no file can have this name")
    config["work_dir"] = os.path.expanduser(config["work_dir"])
    folder, _, rest = config["work_dir"].rpartition("$")
    above = os.path.isdir(f"{folder}${rest.split('/')[0]}") and "/" in rest  # a folder whose name has a $
    if os.path.expandvars(config["work_dir"]) != config["work_dir"] and not above:
        raise ConfigError(
            f"{path}: work_dir: variables such as those in {config['work_dir']!r} are not replaced: write the path itself (a "
            "Python config can take it from os.environ)"
        )
