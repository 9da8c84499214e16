"""Pictures that are copies of one another: by the names that Roboflow gives them, or by their content."""

from __future__ import annotations

import os
import re

_OF_ROBOFLOW = re.compile(r"\.rf\.[0-9a-zA-Z]{16,}(?=\.[^.]+$)")  # a_jpg.rf.<32 characters>.jpg: a changed copy of a.jpg
_PART = 1 << 16  # bytes that are compared first


def original(path: str) -> str:
    """The path without what Roboflow adds to the name of each changed copy of a picture."""
    return _OF_ROBOFLOW.sub("", path)


def copied(pictures, others) -> list:
    """[(path, path of the copy)] of the files in `pictures` that have the content of one in `others`, another file."""
    by_size = {}
    for path in others:
        by_size.setdefault(_size(path), []).append(path)
    pairs = []
    for path in pictures:
        equal = (other for other in by_size.get(_size(path), ()) if other != path and _equal(path, other))
        pairs += [(path, other) for other in [next(equal, None)] if other]
    return pairs


def _size(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def _equal(first, second) -> bool:
    """Whether two files of one size have the same content."""
    try:
        with open(first, "rb") as one, open(second, "rb") as other:
            while True:
                part = one.read(_PART)
                if part != other.read(_PART):
                    return False
                if not part:
                    return True
    except OSError:
        return False
