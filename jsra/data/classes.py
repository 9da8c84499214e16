"""Checks that a model, datasets and weights have the same classes.

Labels are numbers: with different classes, results would be wrong without an error. So classes are compared before a run.
"""

from __future__ import annotations

import numbers
import re
import unicodedata

from jsra.registry import ConfigError

_OTHERS = {"backbone", "neck", "rpn", "rpn_backbone", "rpn_neck"}  # parts of a detector that do not depend on the classes
# Characters without a width: a zero-width space and joiners, a mark of the byte order, a soft hyphen.
_UNSEEN = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")


def counted(model):
    """(name, number of classes without background) of the parts of a model that depend on the classes: they have an
    attribute `num_classes`. That of a backbone, neck or RPN is of something else, e.g. the 1,000 classes of ImageNet."""
    for name, part in model.named_modules():
        count = getattr(part, "num_classes", None)
        if isinstance(count, numbers.Real) and not isinstance(count, bool) and not _OTHERS.intersection(name.split(".")):
            yield name, count


def check_model(model, classes, where):
    """Raise ConfigError if a part of a model has another number of classes than a dataset."""
    for name, count in counted(model):
        if count != len(classes):
            raise ConfigError(
                f"model{name and '.'}{name}: num_classes is {count}, and {where} has {len(classes)} classes "
                f"({listed(classes)}): set num_classes={len(classes)}, or select classes of the data (classes=[...])"
            )


def check_same(first, second, where_first, where_second, spelling=True):
    """Raise ConfigError if two lists of class names differ, also in order: positions are the labels.

    spelling=False: capitals, and `_` or `-` for a space, make no difference ('traffic_light' in weights of other programs).
    """
    first, second = tuple(first), tuple(second)
    if first == second or (not spelling and equal_names(first, second)):
        return
    if len(first) != len(second):
        what = f"{where_first} has {len(first)} classes ({listed(first)}), {where_second} {len(second)} ({listed(second)})"
    else:
        label, one, other = next((i, a, b) for i, (a, b) in enumerate(zip(first, second), start=1) if a != b)
        order = ", the same names in another order" if sorted(first) == sorted(second) else ""
        one, other = _told_apart(one, other)
        what = f"class {label} is {one} in {where_first} and {other} in {where_second}{order}"
    raise ConfigError(f"{what}: give both data sets the same classes=[...] (those of the weights, if you have weights)")


def equal_names(first, second) -> bool:
    """Whether two lists of class names are the same, except for their spelling (see `check_same`). A name that is exactly
    that of another class is not a spelling: 'Cat' and 'cat' may both be classes."""
    same = list(map(plain, first)) == list(map(plain, second))
    return same and all(one == other or other not in first for one, other in zip(first, second))


def plain(name):
    """A name without its spelling: capitals, `_` or `-` for a space, unseen characters."""
    return " ".join(re.sub("[_-]", " ", _printed(str(name))).casefold().split())


def look_alikes(classes) -> list:
    """Texts about classes whose names differ only in spelling: usually one class, whose objects get several labels."""
    groups = {}
    for name in classes:
        groups.setdefault(plain(name), []).append(name)
    lines = []
    for names in (names for names in groups.values() if len(names) > 1):
        lines.append(f"the classes {', '.join(_told_apart(*names))} differ only in capital letters, spaces, _ or -")
    return lines


def class_list(classes) -> tuple:
    """A user's names of labels 1, 2, ... as a tuple; () for None. Raises ConfigError for anything but texts in an order."""
    if classes is None:
        return ()
    ordered = hasattr(classes, "__iter__") and not isinstance(classes, (str, bytes, dict, set, frozenset))
    names = list(classes) if ordered else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"classes: expected a list of names, in the order of labels 1, 2, ..., got {classes!r}")
    return tuple(str(name) for name in names)


def look_alike(name: str, known):
    """A text about one of the `known` names that looks the same as another `name`, else ''."""
    for other in known:
        if other != name and _printed(other) == _printed(name):
            shown, own = _told_apart(name, other)
            return f"; {own} looks the same as this {shown}: copy it from there"
    return ""


def _told_apart(*names) -> list:
    """The names in quotes; with all characters that are not ASCII as escapes if a reader would not see the difference."""
    return list(map(ascii if len(set(map(_printed, map(str, names)))) < len(names) else repr, names))


def _printed(name: str) -> str:
    """What a reader sees of a name in quotes: Python writes unseen characters as escapes, but not all spaces."""
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", name))


def listed(classes) -> str:
    """The first names of a list of classes, for messages."""
    names = list(map(str, classes))
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
