"""One registry: the `type` of a config -> the class, and the builder that turns nested configs into objects.

Constructors take built objects: `build` works from the leaves up, so that FasterRCNN(backbone, neck, ...) receives modules,
never dictionaries.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil

KINDS = (
    "backbone", "neck", "head", "extractor", "roi_layer", "detector", "box", "loss",
    "dataset", "transform", "evaluator", "optimizer", "scheduler", "hook",
)  # fmt: skip

_entries = {}  # name -> (class, kind)
_PACKAGES = ("backbones", "boxes", "data", "detectors", "engine", "evaluation", "heads", "losses", "necks", "roi")
_loaded = False


class ConfigError(ValueError):
    """A config that cannot be built: the message says which key of which part, and the nearest known one."""


def nearest(word: str, known) -> str:
    """A '; did you mean X?' for messages, or the list of what is known where nothing is near."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known) or 'none'}"


def register(kind: str, name: str | None = None):
    """Class decorator: make the class known to configs as `name` (its own name by default)."""
    if kind not in KINDS:
        raise ValueError(f"unknown registry kind {kind!r}{nearest(kind, KINDS)}")

    def add(cls):
        key = name or cls.__name__
        if key in _entries and _entries[key][0] is not cls:
            raise ValueError(
                f"{key!r} is registered already, as {_entries[key][0].__module__}.{_entries[key][0].__name__}"
            )
        _entries[key] = (cls, kind)
        return cls

    return add


def _load_all():
    """Import every module of the packages that hold registered classes."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for package_name in _PACKAGES:
        package = importlib.import_module(f"jsra.{package_name}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"jsra.{package_name}.{module.name}")


def registered(kind: str | None = None) -> dict:
    """{name: class} of everything registered, or of one kind."""
    _load_all()
    return {name: cls for name, (cls, k) in _entries.items() if kind is None or k == kind}


def get(name: str, path: str = "config"):
    """The class registered as `name`; ConfigError with the nearest name if there is none."""
    classes = registered()
    if name not in classes:
        raise ConfigError(f"{path}.type: {name!r} is not registered{nearest(str(name), classes)}")
    return classes[name]


def _check_arguments(cls, given, path):
    parameters = inspect.signature(cls.__init__).parameters
    accepted = [
        n
        for n, p in parameters.items()
        if n != "self" and p.kind is not p.VAR_KEYWORD and p.kind is not p.VAR_POSITIONAL
    ]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for key in given:
            if key not in accepted:
                raise ConfigError(f"{path}.{key}: {cls.__name__} takes no {key!r}{nearest(key, accepted)}")
    missing = [n for n in accepted if parameters[n].default is inspect.Parameter.empty and n not in given]
    if missing:
        raise ConfigError(f"{path}: {cls.__name__} needs {', '.join(map(repr, missing))}")


def build(cfg, path: str = "config", **extra):
    """Build what a config describes: a dict with `type` becomes an object, lists and dicts are walked, the rest is returned.

    `extra` are constructor arguments that the config does not hold (parameters for an optimiser, say); `path` names the
    part in messages. Raises ConfigError for an unknown type, an unknown or a missing argument.
    """
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(build(item, f"{path}[{i}]") for i, item in enumerate(cfg))
    if not isinstance(cfg, dict):
        return cfg
    if "type" not in cfg:
        return {key: build(value, f"{path}.{key}") for key, value in cfg.items()}
    return construct(get(cfg["type"], path), {k: v for k, v in cfg.items() if k != "type"}, path, **extra)


def construct(cls, settings, path: str = "config", **extra):
    """cls(**settings) with what is nested in the settings built; `cls` itself need not be registered.

    Raises ConfigError as `build` does.
    """
    arguments = {key: build(value, f"{path}.{key}") for key, value in settings.items()}
    arguments.update(extra)
    _check_arguments(cls, arguments, path)
    return cls(**arguments)
