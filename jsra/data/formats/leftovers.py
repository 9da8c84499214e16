"""What a folder of annotations has besides what is used, so that `jsra init` leaves nothing out without a line about it."""

from __future__ import annotations

import os
import re
from collections import Counter

from jsra.data.formats.annotations import files_below
from jsra.data.formats.pictures import Pictures, stem_of
from jsra.data.image import PICTURES

# Names of files without annotations: hidden files, documents, programs, caches.
_NO_DATA = re.compile(r"^(\.|__|readme|licen[sc]e|requirements)|\.(md|py|pyc|sh|ipynb|html?|pdf|cache|log|db)$", re.I)


def pictures_not_used(found, folder) -> list:
    """A line if there are pictures that are not used. Folders do not count if all their pictures are called like used ones:
    masks, or smaller copies."""
    used = {p.file for listed in found.splits.values() for p in listed}
    places, names = {os.path.dirname(file) for file in used}, set(map(stem_of, used))
    own = {}
    for path in (p for p in Pictures(folder).paths if p not in used):
        own.setdefault(os.path.dirname(path), []).append(path)
    others = (paths for place, paths in own.items() if place in places or not names.issuperset(map(stem_of, paths)))
    left = [path for paths in others for path in paths]
    if not left:
        return []
    reason = "no usable annotations, or no list of a split names them"
    hint = "; an empty .txt makes one a background" if found.form == "YOLO" else ""
    return [f"{len(left)} pictures, such as {left[0]}, are not used: {reason}{hint}"]


def files_not_used(found, folder) -> list:
    """A line if there are files other than pictures that are not used, and that no other line names: they may be annotations
    or lists of another program."""
    told = {re.split(r": |, line ", line)[0] for line in found.problems}
    used = {*found.files, *told, *(p.source for listed in found.splits.values() for p in listed)}
    used = {os.path.normpath(path) for path in used}
    others = [p for p in files_below(folder, "") if not p.lower().endswith(PICTURES)]
    left = [p for p in others if os.path.normpath(p) not in used and not _NO_DATA.search(os.path.basename(p))]
    if not left:
        return []
    kinds = Counter(os.path.splitext(p)[1].lower() or "without an ending" for p in left)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
    return [f"{len(left)} files, such as {left[0]}, are not used ({counts}); annotations, names or lists in them are missing"]
