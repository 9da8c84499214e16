"""JDet's config language: Python or YAML files that are dictionaries, with inheritance.

    _base_ = "faster_rcnn_r50_fpn.py"            # or a list of files, relative to this one; later files override earlier ones
    _base_ = "jsra:_base_/small_r18_fpn.py"      # a config that comes with jsra
    model = dict(roi_head=dict(pool=dict(_cover_=True, type="RoIAlign")))   # _cover_: replace, do not merge

Dictionaries are merged key by key, other values are replaced. A Python file is executed at every load; its variables become
the keys, except names that start with two underscores, modules, functions and classes. `name` is the file's name and
`work_dir` is `work_dirs/<name>` unless the file sets them. The result is the dictionary that JDet's own loader gives for the
same file; but a missing attribute is an error, not None, and YAML's numbers are those of jsra.yaml_values.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
import sys
import types

import yaml

from jsra import resources
from jsra.config_checks import (
    BASE,
    COVER,
    check_base,
    check_code,
    check_empty,
    check_helpers,
    check_keys,
    check_named,
    check_names,
    checked,
    helpers_of,
    is_code,
    no_setting,
    of_missing,
)
from jsra.folders import exists
from jsra.output import visible
from jsra.registry import ConfigError, nearest
from jsra.yaml_values import ValueDumper, ValueLoader, unread

SHIPPED = "jsra:"
# The keys at the top level of a config. Names that begin with an underscore are helpers of a file.
KEYS = (
    "name", "work_dir", "seed", "model", "pretrained_weights", "feature_cache", "dataset", "evaluator", "best_metric",
    "optimizer", "parameter_groups_generator", "scale_lr_base_batch", "scheduler", "max_epoch", "max_iter", "amp", "ema",
    "tf32", "deterministic", "eval_interval", "checkpoint_interval", "checkpoint_keep", "log_interval", "logger",
)  # fmt: skip
MOST_VALUES = 2 * 10**6  # in a config; with YAML aliases or repeated Python lists, a short file can have any number of values


class Config(dict):
    """A dictionary whose keys are also attributes; dictionaries inside it, also in lists and tuples, become Configs."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __setitem__(self, key, value):
        super().__setitem__(key, _configs(value))

    def __missing__(self, key):
        raise ConfigError(f"the config has no {key!r}{nearest(str(key), map(str, self))}")

    def __setattr__(self, key, value):
        self[key] = value

    def __getattr__(self, key):
        if key not in self:
            raise AttributeError(f"the config has no {key!r}{nearest(key, map(str, self))}")
        return self[key]

    def __delattr__(self, key):
        if key not in self:
            raise AttributeError(f"the config has no {key!r}{nearest(key, map(str, self))}")
        del self[key]

    def __deepcopy__(self, memo):
        return Config({copy.deepcopy(k, memo): copy.deepcopy(v, memo) for k, v in self.items()})

    def __reduce__(self):
        return Config, (dict(self),)

    def update(self, *args, **kwargs):
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def to_dict(self) -> dict:
        """The same content as plain dictionaries and lists."""
        return _plain(self)

    def dump(self) -> str:
        """The content as YAML, which `load_config` can read (tuples become lists)."""
        return yaml.dump(_plain(self), Dumper=ValueDumper, sort_keys=False, allow_unicode=True, width=120)


def _configs(value):
    if isinstance(value, dict) and not isinstance(value, Config):
        return Config(value)
    if type(value) in (list, tuple):
        return type(value)(_configs(item) for item in value)
    return value


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy numbers and arrays, which a Python config may compute
        return value.tolist()
    return value


def load_config(path, overrides=(), known=KEYS) -> Config:
    """Read a .py, .yaml or .yml config with its bases and apply overrides.

    `overrides`: strings `a.b=c` (see `override`). `known`: the allowed keys at the top level; None: any. Raises ConfigError,
    which names the file: for a missing file, for errors when it is executed or parsed, for a circle of bases, for an unknown
    key, and for an override of a key that does not exist.
    """
    if not isinstance(path, (str, os.PathLike)):
        if isinstance(path, Config):
            raise ConfigError("load_config: expected the path of a config file, got a Config, which is loaded already")
        raise ConfigError(f"expected the path of a config file, or a Config from load_config, got a {type(path).__name__}")
    path = os.fspath(path)
    config = Config(_drop_code(_read_with_bases(path, ())))
    if config.get("name") is None:
        config["name"] = os.path.splitext(os.path.basename(path))[0]
    if config.get("work_dir") is None:
        config["work_dir"] = f"work_dirs/{config['name']}"
    if isinstance(overrides, str):
        raise ConfigError(f"overrides: expected a list of texts 'key.key=value', got the text {overrides!r}")
    for text in overrides or ():
        try:
            override(config, text, known)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    if known is not None:
        check_keys(config, known, path)
    for key, value in list(config.items()):
        try:
            config[key] = checked(value, key)
        except ConfigError as error:
            if not str(key).startswith("_"):  # helpers of a file may have any value
                raise ConfigError(f"{path}: {error}") from None
            del config[key]
    if known is not None:
        check_empty(config, path)
    check_names(config, path)
    return config


def origins(path) -> dict:
    """The dictionary of a config in which each value is replaced by the path of the file that sets it."""

    def read(path, chain):
        return {key: value if key == BASE else _named(value, path) for key, value in _read(path, chain).items()}

    return _without_cover(_read_with_bases(os.fspath(path), (), read))


def _named(value, path):
    return {key: _named(item, path) for key, item in value.items()} if isinstance(value, dict) else os.path.normpath(path)


def _read_with_bases(path, chain, read=None):
    """The merged content of a file and its bases. read: function (path, chain) -> a file's own content; default: _read."""
    return _merged(path, chain, read)[0]


def _merged(path, chain, read):
    """(the merged content of a file and its bases, the variables that the code in these files reads)."""
    absolute = os.path.abspath(path)
    if absolute in chain:
        circle = " -> ".join(os.path.basename(p) for p in (*chain, absolute))
        raise ConfigError(f"{path}: {BASE} refers to itself ({circle})")
    content = (read or _read)(path, chain)
    check_base(content, path)
    helpers = helpers_of(path, content)
    if BASE not in content:
        return content, helpers.read
    bases = content.pop(BASE)
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, (list, tuple)) or not all(isinstance(b, str) for b in bases):
        raise ConfigError(f"{path}: {BASE} must be a file name or a list of file names, it is {bases!r}")
    merged, names = {}, set()
    for base in bases:
        below, read_there = _merged(_base_path(path, base), (*chain, absolute), read)
        _merge(merged, below)
        names |= read_there
    if read is None and COVER not in content:
        check_helpers(path, content, merged, helpers, names)
    _merge(merged, content)
    return merged, names | helpers.read


def _base_path(path, base):
    """The path of a base: relative to `path`, or one that comes with jsra."""
    if base.startswith(SHIPPED):
        return os.path.join(resources.folder("jdet_configs"), base[len(SHIPPED) :])
    return os.path.join(os.path.dirname(path), base)


def _read(path, chain):
    wanted = f" (a {BASE} of {chain[-1]})" if chain else ""
    if exists(path) and not os.path.isfile(path):
        raise ConfigError(f"{path}: a {'folder' if os.path.isdir(path) else 'pipe or device'}, no config file{wanted}")
    if not os.path.isfile(path):
        folder = os.path.dirname(path) or "."
        names = os.listdir(folder) if os.path.isdir(folder) else []
        hint = nearest(os.path.basename(path), names) if names else ""
        raise ConfigError(f"{path}: there is no such config file{wanted}{hint if 'did you mean' in hint else ''}")
    extension = os.path.splitext(path)[1]
    if extension in (".yaml", ".yml"):
        with open(path, "rb") as f:  # YAML finds the encoding
            try:
                content = yaml.load(f, Loader=ValueLoader)
            except (yaml.YAMLError, ValueError, RecursionError) as error:  # 2026-13-45 is a ValueError
                raise ConfigError(f"{path}{wanted}: not valid YAML: {error}") from None
        content = {} if content is None else content
        _check_size(content, f"{path}{wanted}")
        if not isinstance(content, dict):
            raise ConfigError(f"{path}{wanted}: a config is a dictionary, this is a {type(content).__name__}")
        return content
    if extension == ".py":
        if not os.path.getsize(path):
            raise ConfigError(f"{path}: the file is empty{wanted}: write it again")
        return _run(path, wanted)
    raise ConfigError(f"{path}{wanted}: the name of a config must end in .py, .yaml or .yml")


def _run(path, wanted):
    """The variables that a Python config defines. It may import helper modules next to it; these are also executed again."""
    folder = os.path.dirname(os.path.abspath(path))
    before = set(sys.modules)
    # Without this, a helper that was edited within the same second and kept its size would be read from its old .pyc.
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    module = types.ModuleType(os.path.splitext(os.path.basename(path))[0])
    module.__file__, scope = path, vars(module)
    sys.modules.setdefault(module.__name__, module)  # dataclasses look for the module of a class
    sys.path.insert(0, folder)
    try:
        with open(path, encoding="utf-8-sig") as f:
            exec(compile(f.read(), path, "exec"), scope)
    except (Exception, SystemExit) as error:
        line = _line_of(error, path)
        raise ConfigError(f"{path}{line}{wanted}: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writes_bytecode
        with contextlib.suppress(ValueError):  # the file may have changed it
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and os.path.dirname(os.path.abspath(file)) == folder:
                del sys.modules[name]
    check_named(scope, KEYS, f"{path}{wanted}")
    content = {key: value for key, value in scope.items() if not key.startswith("__") and not is_code(value)}
    _check_size(content, f"{path}{wanted}")
    for key, value in content.items():
        if not key.startswith("_"):
            check_code(value, key, f"{path}{wanted}")
    return _drop_code(content)


def _check_size(content, path):
    try:
        count = _count(content, {})
    except RecursionError:
        raise ConfigError(f"{path}: a list or a dictionary contains itself") from None
    if count > MOST_VALUES:
        raise ConfigError(f"{path}: more than {MOST_VALUES} values, with each repetition counted: write fewer")


def _count(value, known):
    """The number of values; one that occurs several times is counted each time. known: {id: count}.

    Raises RecursionError if a value contains itself.
    """
    if not isinstance(value, (dict, list, tuple)):
        return 1
    if id(value) not in known:
        known[id(value)] = None
        known[id(value)] = 1 + sum(_count(v, known) for v in (value.values() if isinstance(value, dict) else value))
    if known[id(value)] is None:
        raise RecursionError
    return known[id(value)]


def _line_of(error, path):
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""


def _drop_code(value):
    """The value without modules, functions and classes."""
    if isinstance(value, dict):
        return {key: _drop_code(item) for key, item in value.items() if not is_code(item)}
    if type(value) in (list, tuple):
        return type(value)(_drop_code(item) for item in value if not is_code(item))
    return value


def _merge(into: dict, new: dict):
    """Merge `new` into `into`. As in JDet, a dictionary with a key _cover_ (of any value) replaces the old one."""
    if COVER in new:
        into.clear()
        into.update(_without_cover(new))
        return
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = _without_cover(value)


def _without_cover(value):
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    return {key: _without_cover(item) for key, item in value.items() if key != COVER}


def override(config: Config, text: str, known=None):
    """Set one value: `a.b.0.c=VALUE`, with VALUE in YAML; numbers are indices of lists; `+a.b=VALUE` adds a new key.
    known: the allowed keys at the top level; None: any.

    Raises ConfigError with the nearest key if the path does not exist, so that typing errors are noticed.
    """
    path, equals, value = text.partition("=")
    path = path.strip()
    adds = path.startswith("+")
    keys = path.lstrip("+").split(".")
    if not equals or not all(keys):
        raise ConfigError(f"override {text!r}: write it as key.key=value")
    if BASE in keys or COVER in keys:
        raise ConfigError(f"override {text!r}: {BASE} and {COVER} act in config files alone")
    if keys[0].startswith("_"):
        raise ConfigError(
            f"override {text!r}: {keys[0]} is a helper, which was used when the file was executed: set the values that were "
            "made from it (`jsra config` prints them), or change the file"
        )
    if known is not None and keys[0] not in (*known, *map(str, config)):
        raise ConfigError(f"override {text!r}: {no_setting(keys[0], known)}")
    if visible(value) != value:
        raise ConfigError(
            f"override {visible(text)!r}: the value has bytes that are not letters in the encoding of this locale: rename "
            "the file or folder, or set another locale (LC_ALL=C.UTF-8)"
        )
    try:
        lost, value = unread(value), yaml.load(value, Loader=ValueLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"override {text!r}: the value is not valid YAML: {why}") from None
    if lost:
        raise ConfigError(f"override {text!r}: {lost}")
    _check_size(value, f"override {text!r}")
    value = _without_cover(value)  # an override always replaces a dictionary
    _assign(config, keys, value, adds, text, (), known)


def _assign(node, keys, value, adds, text, done, known=None):
    key, rest = keys[0], keys[1:]
    place = ".".join(done) or "the config"
    if isinstance(node, (list, tuple)):
        if not re.match(r"^-?\d+$", key) or not -len(node) <= int(key) < len(node):
            raise ConfigError(f"override {text!r}: {place} is a list of {len(node)} items; {key!r} is not an index of it")
        items = list(node)
        index = int(key)
        items[index] = _assign(items[index], rest, value, adds, text, (*done, key)) if rest else _configs(value)
        if isinstance(node, list):
            node[:] = items
            return node
        return tuple(items)
    if not isinstance(node, dict):
        raise ConfigError(f"override {text!r}: {place} is {node!r}, which has no keys")
    key = next((k for k in node if str(k) == key), key)  # a YAML config may have numbers as keys
    if key not in node and not (adds and not rest):
        whole = "{" + f"{'.'.join(rest)}: {value}" + "}" if adds and len(rest) == 1 else "..."
        new = (*done, key) if adds else (*done, *keys)  # what + adds is the last key alone
        hint = f"{of_missing(key, node, known)}; to add a new key, write +{'.'.join(new)}={whole}"
        raise ConfigError(f"override {text!r}: {place} has no {key!r}{hint}")
    node[key] = _assign(node[key], rest, value, adds, text, (*done, str(key))) if rest else value
    return node
