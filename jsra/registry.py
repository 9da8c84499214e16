"""The registry (`type` in a config -> class) and the builder, which makes objects from nested configs.

Constructors take built objects: `build` starts with the innermost parts, so that FasterRCNN(backbone, neck, ...) gets
modules, never dictionaries.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil

from jsra import arguments

KINDS = (
    "backbone", "neck", "rpn", "roi_head", "box_branch", "branch", "box_head", "mask_head", "dense_head", "extractor",
    "roi_layer", "align_conv", "detector", "anchor_generator", "box_coder", "assigner", "sampler", "proposal_selector",
    "detection_selector", "dense_selector", "loss", "motion", "aggregator", "dataset", "transform", "evaluator", "optimizer",
    "parameter_groups", "scheduler", "hook",
)  # fmt: skip

_entries = {}  # name -> (class, kind)
_PACKAGES = ("backbones", "boxes", "data", "detectors", "engine", "evaluation", "heads", "losses", "necks", "roi", "video")
_loaded = False


class ConfigError(ValueError):
    """An error in a config: the message names the key, the part and the nearest known name."""


def nearest(word: str, known) -> str:
    """'; did you mean X?' for messages, or the list of known words if none is similar."""
    known, word = sorted(known), word.lower()
    close = difflib.get_close_matches(word, [name.lower() for name in known], n=1)
    begun = [name.lower() for name in known if word.startswith(f"{name.lower()}_")]  # rpn_head: rpn, not roi_head
    if begun and not (close and difflib.SequenceMatcher(None, word, close[0]).ratio() >= 0.8):
        close = [max(begun, key=len)]
    meant = next((name for name in known if close and name.lower() == close[0]), None)
    return f"; did you mean {meant!r}?" if close else f"; known: {', '.join(known) or 'none'}"


def register(kind: str, name: str | None = None):
    """Class decorator: registers the class for configs as `name` (default: the name of the class).

    The same class of the same file replaces its earlier form: a helper of a config is executed at each load, and a cell of a
    notebook again. Raises ValueError for another class with a registered name.
    """
    if not isinstance(kind, str):
        raise ValueError(f"register needs a kind, such as @register('detector'), got {kind!r}; known: {', '.join(KINDS)}")
    if kind not in KINDS:
        raise ValueError(f"unknown registry kind {kind!r}{nearest(kind, KINDS)}")

    def add(cls):
        if not cls.__module__.startswith("jsra."):
            _load_all()  # a user's part must not take a name before the part of this package that has it
        key = name or cls.__name__
        if key in _entries and _origin(_entries[key][0]) != _origin(cls):
            raise ValueError(
                f"{key!r} is already registered as {_entries[key][0].__module__}.{_entries[key][0].__name__}: choose another "
                f"name, such as @register({kind!r}, 'My{key}')"
            )
        _entries[key] = (cls, kind)
        return cls

    return add


def _origin(cls):
    """What identifies the definition of a class: its name, its module, and the file of its code."""
    file = next((f.__code__.co_filename for f in vars(cls).values() if inspect.isfunction(f)), None)
    return cls.__module__, cls.__qualname__, None if cls.__module__ == "__main__" else file


def _load_all():
    """Import every module of the packages with registered classes."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for package_name in _PACKAGES:
        package = importlib.import_module(f"jsra.{package_name}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"jsra.{package_name}.{module.name}")


def registered(kind: str | None = None) -> dict:
    """{name: class} of all registered classes, or of those of one kind."""
    _load_all()
    return {name: cls for name, (cls, k) in _entries.items() if kind is None or k == kind}


def get(name: str, path: str = "config", kind: str | None = None):
    """The class registered as `name`. Raises ConfigError with the nearest name if there is none or it is of another kind."""
    _load_all()
    if isinstance(name, str) and name in _entries:
        cls, found = _entries[name]
        if kind in (None, found):
            return cls
        wrong = f"{name!r} is {arguments.a(found)}, but must be {arguments.a(kind)}"
    else:
        wrong = f"{name!r} is not registered"
    raise ConfigError(f"{path}.type: {wrong}{nearest(str(name), registered(kind))}")


def build(cfg, path: str = "config", kind: str | None = None, **extra):
    """Build a config: a dict with `type` becomes an object; items of lists and dicts are built; other values are returned.

    `kind`: the required kind; None: any. `extra`: constructor arguments that are not in the config (e.g. parameters for an
    optimiser); `path`: the name of the part in messages.

    Raises ConfigError for an unknown type, one of another kind, an unknown or missing argument, an argument of a wrong type
    (jsra.arguments), and for any ValueError of a constructor.
    """
    if kind is not None:
        _raise(_check_part(kind, cfg, path))
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(build(item, f"{path}[{i}]") for i, item in enumerate(cfg))
    if not isinstance(cfg, dict):
        return cfg
    if "type" not in cfg:
        return {key: build(value, f"{path}.{key}") for key, value in cfg.items()}
    return construct(get(cfg["type"], path, kind), {k: v for k, v in cfg.items() if k != "type"}, path, **extra)


def construct(cls, settings, path: str = "config", **extra):
    """cls(**settings), with the parts inside the settings built; `cls` itself need not be registered.

    Raises ConfigError as `build` does.
    """
    check_settings(cls, settings, path, extra)
    built = {key: build(value, f"{path}.{key}") for key, value in settings.items()}
    try:
        return cls(**built, **extra)
    except ConfigError as error:
        if not str(error).startswith(cls.__name__):
            raise
        raise ConfigError(f"{path}: {error}") from error
    except ValueError as error:
        about = "" if str(error).startswith(cls.__name__) else f"{cls.__name__}: "
        raise ConfigError(f"{path}: {about}{error}") from error
    except TypeError as error:  # "missing 1 required positional argument: 'root'", "multiple values for ... 'root'"
        names = [name for name in arguments.of_parents(cls) if repr(name) in str(error)]
        _refuse_missing(cls, names if "missing" in str(error) else (), path)
        if names and "multiple values" in str(error):
            raise ConfigError(
                f"{path}: {cls.__name__} gives {names[0]!r} to its parent, and gets one from the config or from the run: its "
                "constructor must pass on the one that it gets"
            ) from error
        raise


def check_settings(cls, settings, path: str = "config", extra=()):
    """Raise ConfigError if `settings` do not fit the constructor of cls: an argument is unknown, missing (except those in
    `extra`) or of a wrong type (jsra.arguments)."""
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected a dictionary of settings, got {settings!r}")
    accepted, any_name = arguments.declared(cls)
    for key in (*settings, *extra):
        if key not in accepted and not any_name:
            names = [name for name in accepted if name not in extra]  # the others are given by the run
            hint = nearest(str(key), names) + _of_another(cls, key)
            raise ConfigError(f"{path}.{key}: {cls.__name__} takes no {key!r}{hint}")
        if key in settings and key in extra:
            raise ConfigError(f"{path}.{key}: not a setting: the run gives it")
    for key, value in settings.items():
        parameter = accepted.get(key)
        node = None if parameter is None else arguments.expected(parameter)
        if node is not None and value is not parameter.default:
            found, ours = arguments.problem(node, value, f"{path}.{key}", _check_part), arguments.is_ours(cls, key)
            _raise(found if ours or not arguments.is_infinite(found) else None)
            _raise(arguments.outside(key, value, f"{path}.{key}") if ours else None)
    missing = [n for n, p in accepted.items() if p.default is p.empty and n not in settings and n not in extra]
    _refuse_missing(cls, [n for n in missing if n not in arguments.of_parents(cls)], path)


def _of_another(cls, key) -> str:
    """A hint for a setting that another part of this kind takes: often it is left from the part in a base config."""
    kind = next((kind for known, kind in _entries.values() if known is cls), None)
    takes = (name for name, (known, k) in _entries.items() if k == kind and key in arguments.declared(known)[0])
    owner = next(takes, None) if kind else None
    return f"; {owner} takes it: if a base config has it, _cover_=True leaves the base's settings out" if owner else ""


def _refuse_missing(cls, names, path):
    if names:
        raise ConfigError(f"{path}: {cls.__name__} needs {', '.join(map(repr, names))}")


def _check_part(kind, value, path):
    """None if `value` is, or describes, a part of this kind; otherwise a problem as from arguments.problem."""
    if isinstance(value, dict) and "type" in value:
        get(value["type"], path, kind)
        return None
    plain = value is None or isinstance(value, (bool, int, float, str, list, tuple, dict))
    of = next((k for cls, k in _entries.values() if type(value) is cls), kind)
    return (path, arguments.a_part(kind), value) if plain or of != kind else None


def _raise(problem):
    if problem:
        path, expected, value = problem
        raise ConfigError(f"{path}: expected {expected}, got {arguments.short(value)}")
