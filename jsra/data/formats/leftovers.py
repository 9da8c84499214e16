"""What a folder of annotations has besides what is used, so that `jsra init` leaves nothing out without a line about it."""

from __future__ import annotations

import os
import re
from collections import Counter

from jsra.data.formats.annotations import files_below, json_of, xml_of
from jsra.data.formats.pictures import Pictures, stem_of
from jsra.data.image import PICTURES

# Names of files without annotations: hidden files, documents, programs, caches.
_NO_DATA = re.compile(r"^(\.|__|readme|licen[sc]e|requirements)|\.(md|py|pyc|sh|ipynb|html?|pdf|cache|log|db)$", re.I)
_UNREADABLE = re.compile(r"the picture (.+?) cannot be read \(")  # a line of size_of
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
# Entries by which a JSON file of another program is known.
_PROGRAMS = {
    "_via_img_metadata": "VGG Image Annotator", "regions": "VGG Image Annotator", "coordinates": "CreateML",
    "bounding_box": "FiftyOne or V7", "box2d": "BDD100K or Scalabel", "result": "Label Studio", "classTitle": "Supervisely",
    "data_list": "MMEngine", "bbox_mode": "Detectron2", "videos": "YouTube-VIS", "imgHeight": "Cityscapes",
    "Label": "Labelbox", "assets": "VoTT", "items": "Datumaro", "score": "results of a detector",
}  # fmt: skip


def pictures_not_used(found, folder) -> list:
    """Lines if there are pictures that are not used: for those in folders where all are called like used ones (masks, smaller
    copies, or a part of the data without annotations), and for the others."""
    used = {p.file for listed in found.splits.values() for p in listed}
    told = used.union(match[1] for match in map(_UNREADABLE.search, found.problems) if match)
    places, names = {os.path.dirname(file) for file in used}, set(map(stem_of, used))
    own = {}
    for path in (p for p in Pictures(folder).paths if p not in told):
        own.setdefault(os.path.dirname(path), []).append(path)
    left, copies, lines = [], [], []
    for place, paths in own.items():
        (left if place in places or not names.issuperset(map(stem_of, paths)) else copies).extend(paths)
    if left:
        reason = f"no usable {found.form} annotations, or no list of a split names them"
        hint = "; an empty .txt makes one a background" if found.form == "YOLO" else ""
        lines.append(f"{_such(left, 'picture')} not used: {reason}{hint}")
    if copies:
        reason = f"{found.form} annotations are only for other pictures with the same names; these may be masks or copies"
        lines.append(f"{_such(copies, 'picture')} not used: {reason}")
    return lines


def files_not_used(found, folder) -> list:
    """A line if there are files other than pictures that are not used, and that no other line names: they may be annotations
    or lists of another program."""
    told = {re.split(r": |, line ", line)[0] for line in found.problems}
    used = {*found.files, *told, *(p.source for listed in found.splits.values() for p in listed)}
    left = _others(folder, used)
    if not left:
        return []
    what = f"{_such(left, 'file')} not used ({_kinds(left)}), as the annotations that were found are {found.form}"
    return [f"{what}; if these are other annotations that you want, give their folder alone to `jsra init`"]


def unknown_files(folder, lines) -> list:
    """The lines about a folder in which no format was found, with those about files that they do not name: what is in them,
    files with the same in one line."""
    lines += [f"{path}: an archive; unpack it, and give its folder" for path in files_below(folder, ARCHIVES)]
    groups, rest = {}, []
    for path in _others(folder, {re.split(r": |, line ", line)[0] for line in lines}):
        read = {".json": json_of, ".xml": xml_of}.get(os.path.splitext(path)[1].lower())
        content = read(path, lines) if read else None
        if content is not None:
            groups.setdefault(_json_form(content) if read is json_of else f"XML with <{content.tag}>", []).append(path)
        elif read is None:
            rest.append(path)
    for form, paths in groups.items():
        lines.append(f"{_counted(paths)}: {form}, which is none of these formats: export the annotations in one of them")
    if rest:
        lines.append(f"{_counted(rest)}: not in one of these formats ({_kinds(rest)})")
    return lines


def _json_form(content) -> str:
    """What a JSON file has, for a message: the program that writes such files, if it is known, and its entries."""
    inner = _entries(content)
    for _, value in list(inner):
        inner += _entries(value)
    program = next((_PROGRAMS[key] for key, _ in inner if key in _PROGRAMS), None)
    keys = ", ".join(repr(str(key))[:30] for key, _ in _entries(content)[:4]) or "nothing"
    what = f"a list of entries with {keys}" if isinstance(content, list) else f"JSON with {keys}"
    return f"{what}, as of {program}" if program else what


def _entries(value) -> list:
    """The first pairs of keys and values in a dictionary, or in the first dictionary of a list."""
    value = next(iter(value), None) if isinstance(value, list) else value
    return list(value.items())[:20] if isinstance(value, dict) else []


def _others(folder, used) -> list:
    """The files below a folder that may have annotations, without pictures and those of `used`."""
    used = {os.path.normpath(path) for path in used}
    others = [p for p in files_below(folder, "") if not p.lower().endswith(PICTURES)]
    return [p for p in others if os.path.normpath(p) not in used and not _NO_DATA.search(os.path.basename(p))]


def _such(paths, noun) -> str:
    return f"the {noun} {paths[0]} is" if len(paths) == 1 else f"{len(paths)} {noun}s, such as {paths[0]}, are"


def _counted(paths) -> str:
    return paths[0] if len(paths) == 1 else f"{len(paths)} files, such as {paths[0]}"


def _kinds(paths) -> str:
    """How many files there are of each ending."""
    kinds = Counter(os.path.splitext(p)[1].lower() or "without an ending" for p in paths)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
