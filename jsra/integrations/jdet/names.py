"""The rule for names, see the docstring of the package."""

from __future__ import annotations

from jsra.registry import construct, registered

PREFIX = "JSRA"


def add(registry, name: str, part, plain=None):
    """Register `part` as JSRA<name>, and `plain` (default: `part`) as <name> if JDet's registry does not have it."""
    registry.register_module(PREFIX + name, part)
    if name not in registry._modules:
        registry.register_module(name, plain or part)


def own(settings):
    """A config as plain dictionaries with jsra's names: JDet's Config returns None for any attribute, and a nested
    type may have the prefix."""
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
    """An object of class `cls` from its settings in JDet's config; parts inside the settings are those of jsra."""
    return construct(cls, own(settings), cls.__name__)
