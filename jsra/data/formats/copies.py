"""Pictures that are copies of one another: by the names that Roboflow gives them, or by their content."""

from __future__ import annotations

import hashlib
import os
import re

_OF_ROBOFLOW = re.compile(r"\.rf\.[0-9a-zA-Z]{16,}(?=\.[^.]+$)")  # a_jpg.rf.<32 characters>.jpg: a changed copy of a.jpg
_PART = 1 << 16  # bytes that are compared first


def original(path: str) -> str:
    """The path without what Roboflow adds to the name of each changed copy of a picture."""
    return _OF_ROBOFLOW.sub("", path)


def copied(pictures, others) -> list:
    """[(path, path of the copy)] of the files in `pictures` that have the content of one in `others`, another file.

    Only files of equal size are opened, and only those with an equal beginning are read to their end: each once.
    """
    groups = {None: (list(pictures), list(others))}
    for key in (os.path.getsize, lambda path: _digest(path, _PART), lambda path: _digest(path, -1)):
        finer = {}
        for own, theirs in (pair for pair in groups.values() if all(pair)):
            divided = {}
            for side, paths in enumerate((own, theirs)):
                for path in paths:
                    divided.setdefault(key(path), ([], []))[side].append(path)
            finer.update({(len(finer), value): pair for value, pair in divided.items()})
        groups = finer
    return sorted((path, theirs[0]) for own, theirs in groups.values() if theirs for path in own)


def _digest(path, most) -> bytes:
    """A digest of the first bytes of a file, -1 for all."""
    digest, left = hashlib.blake2b(digest_size=16), most
    with open(path, "rb") as f:
        while left:
            part = f.read(_PART if left < 0 else left)
            if not part:
                break
            digest.update(part)
            left -= len(part) if left > 0 else 0
    return digest.digest()
