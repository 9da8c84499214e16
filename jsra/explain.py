"""Shows a merged config with the origin of each value: a file, the command line, or the default of a constructor."""

from __future__ import annotations

import os

import yaml

from jsra.config import load_config, origins
from jsra.registry import registered
from jsra.settings import defaults
from jsra.yaml_values import ValueDumper

WIDTH = 72  # the column of the origins


def explain(path, overrides=(), with_defaults: bool = False) -> str:
    """The merged config as YAML, which `load_config` can read, with a comment after each value that gives its origin.

    overrides: strings 'a.b=c' for the config. with_defaults: add the defaults of each part's constructor.
    """
    path = os.fspath(path)
    config, found = load_config(path, overrides).to_dict(), origins(path)
    for text in overrides:
        _mark(found, text.partition("=")[0].strip().lstrip("+").split("."))
    if with_defaults:
        config = _filled(config, registered())
    return "\n".join(_lines(config, found, ""))


def _mark(found, keys):
    """Record that --set has changed the value of these keys; a change inside a list counts for the whole list."""
    for key in keys[:-1]:
        if not isinstance(found.get(key), dict):
            break
        found = found[key]
    else:
        key = keys[-1]
    found[key] = "--set"


def _filled(value, classes):
    if isinstance(value, list):
        return [_filled(item, classes) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _filled(item, classes) for key, item in value.items()}
    cls = classes.get(value.get("type")) if isinstance(value.get("type"), str) else None
    return value if cls is None else {**value, **{k: v for k, v in defaults(cls).items() if k not in value}}


def _lines(config, found, indent):
    for key, value in config.items():
        origin = found.get(key) if isinstance(found, dict) else found
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, origin, indent + "  ")
            continue
        first, *rest = _yaml({key: _writable(value)})
        if not isinstance(origin, str):
            origin = f"default of {config['type']}" if "type" in config else "default"
        yield f"{indent + first + ' ':<{WIDTH}}# {_short(origin)}"
        yield from (indent + line for line in rest)


def _yaml(entry):
    """The lines of one entry; lists of numbers in one line."""
    (value,) = entry.values()
    flow = None if isinstance(value, (list, dict)) else False
    options = dict(sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=flow)
    return yaml.dump(entry, Dumper=ValueDumper, **options).splitlines()


def _writable(value):
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _short(origin):
    """A path, relative to the working directory if that is shorter."""
    return min(os.path.relpath(origin), origin, key=len) if os.path.isabs(origin) else origin
