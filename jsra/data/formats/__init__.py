"""Annotations of other programs, read into one format: what `jsra init` looks for in a folder.

One file a format, with `find(folder)`: an `Annotations` (without splits where none of it can be used), or None where the
folder holds nothing of that format.
"""

from __future__ import annotations

from jsra.data.formats import coco, cvat, labelme, voc, yolo
from jsra.data.formats.annotations import files_below, json_of, xml_of

FORMATS = (coco, voc, yolo, cvat, labelme)


def find(folder: str):
    """What the first format that fits finds in a folder.

    (Annotations, []), or (None, lines): why nothing was found, a line for each file that cannot be read or used.
    """
    lines = []
    for form in FORMATS:
        found = form.find(folder)
        if found is not None and found.splits:
            return found, []
        lines += found.problems if found is not None else []
    for ending, read in ((".json", json_of), (".xml", xml_of)):
        for path in files_below(folder, ending):
            read(path, lines)
    return None, list(dict.fromkeys(lines))
