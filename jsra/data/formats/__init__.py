"""Reads annotations of other programs for `jsra init`, into a common form.

There is one file per format, with `find(folder)`: it returns `Annotations` (without splits if none of them can be used), or
None if the folder has nothing in that format.
"""

from __future__ import annotations

from jsra.data.classes import look_alikes
from jsra.data.formats import coco, cvat, labelme, voc, yolo
from jsra.data.formats.annotations import Folder
from jsra.data.formats.leftovers import unknown_files
from jsra.data.formats.pictures import turned_pictures
from jsra.data.paths import composed

FORMATS = (coco, voc, yolo, cvat, labelme)


def find(folder: str):
    """The annotations in a folder, by the first format that fits.

    Returns (Annotations, []), or (None, lines) with the reason: a line for each file that cannot be read or used.
    """
    folder, lines = folder if isinstance(folder, Folder) else Folder(folder), []
    for form in FORMATS:
        found = form.find(folder)
        if found is not None and found.splits:
            _compose_classes(found)
            names = {o.name for pictures in found.splits.values() for p in pictures for o in p.objects}
            used = [name for name in found.classes if name in names]
            cure = "if they are one class, give them one name in the annotations"
            found.problems += [f"{what}: {cure}" for what in look_alikes(used)] + turned_pictures(found.splits)
            return found, []
        lines += found.problems if found is not None else []
    return None, unknown_files(folder, list(dict.fromkeys(lines)))


def _compose_classes(found):
    """Give the classes and objects of Annotations the form of `composed`: 'café' can be written in two ways."""
    if all(name.isascii() for name in found.classes):
        return
    found.classes = list(dict.fromkeys(map(composed, found.classes)))
    for picture in (p for pictures in found.splits.values() for p in pictures):
        for o in picture.objects:
            o.name = composed(o.name)
