"""The rule of names, see the package's docstring."""

from __future__ import annotations

from jsra.registry import construct, registered

PREFIX = "JSRA"


def add(registry, name: str, part, plain=None):
    """Register `part` as JSRA<name> and, where JDet's registry has no <name>, `plain` (default: `part`) under that."""
    registry.register_module(PREFIX + name, part)
    if name not in registry._modules:
        registry.register_module(name, plain or part)


def own(settings):
    """A config as plain dictionaries in jsra's names: JDet's Config answers None to any attribute, and a nested
    type may have been written with the prefix."""
    if isinstance(settings, dict):
        settings = {key: own(value) for key, value in settings.items()}
        kind = settings.get("type")
        if isinstance(kind, str) and kind.startswith(PREFIX) and kind[len(PREFIX) :] in registered():
            settings["type"] = kind[len(PREFIX) :]
        return settings
    if type(settings) in (list, tuple):
        return type(settings)(own(item) for item in settings)
    return settings


def make(cls, **settings):
    """An object of a part's class from its settings in JDet's config; what is nested in them is jsra's."""
    return construct(cls, own(settings), cls.__name__)
