"""Names of classes that look equal but are written in different ways."""

from __future__ import annotations

import re
import unicodedata

from jsra.data.paths import composed

# Characters without a width: a zero-width space and joiners, a mark of the byte order, a soft hyphen.
_UNSEEN = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")
_BETWEEN = re.compile(r"[\s_-]+")


def compose_classes(found):
    """Give the classes and objects of Annotations the form of `composed`: 'café' can be written in two ways."""
    if all(name.isascii() for name in found.classes):
        return
    found.classes = list(dict.fromkeys(map(composed, found.classes)))
    for picture in (p for pictures in found.splits.values() for p in pictures):
        for o in picture.objects:
            o.name = composed(o.name)


def look_alikes(classes) -> list:
    """Lines about classes whose names differ only in capital letters, spaces, _ and -: probably one class."""
    groups = {}
    for name in classes:
        plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", name)).casefold().strip()
        groups.setdefault(_BETWEEN.sub(" ", plain), []).append(name)
    lines = []
    for names in (names for names in groups.values() if len(names) > 1):
        listed = ", ".join(map(ascii if len(set(map(_printed, names))) < len(names) else repr, names))
        what = f"the classes {listed} differ only in capital letters, spaces, _ or -"
        lines.append(f"{what}: if they are one class, give them one name in the annotations")
    return lines


def _printed(name: str) -> str:
    """What a reader sees of a name in quotes: Python writes unseen characters as escapes, but not all spaces."""
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", name))
