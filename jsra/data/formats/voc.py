"""Pascal VOC's annotations: an XML file a picture, lists of the splits in ImageSets/Main."""

from __future__ import annotations

import os

from jsra.data.formats.annotations import (
    Annotations,
    Object,
    Picture,
    classes_by_name,
    files_below,
    pictures_below,
    size_of,
    xml_of,
)  # fmt: skip
from jsra.data.image import PICTURES
from jsra.data.voc_file import read_listing, read_objects


def find(folder: str):
    """See jsra.data.formats."""
    pictures, problems = {}, []
    by_stem = {os.path.splitext(os.path.basename(p))[0]: p for p in pictures_below(folder)}
    for path in files_below(folder, ".xml"):
        root = xml_of(path, problems)
        if root is None or root.tag != "annotation":
            continue
        stem = os.path.splitext(os.path.basename(path))[0]
        # The file's own name decides: <filename> is often that of another machine, or of another picture.
        if stem not in by_stem:
            problems.append(f"{path}: there is no picture {stem} ({', '.join(PICTURES)}): left out")
            continue
        size = size_of(by_stem[stem])
        if size is None:
            problems.append(f"{by_stem[stem]}: the picture cannot be read: left out")
            continue
        pictures[stem] = Picture(by_stem[stem], *size, list(_objects(root, path, problems)))
    if not pictures:
        return None
    splits = _splits(folder, pictures, problems) or {"all": list(pictures.values())}
    return Annotations("Pascal VOC", splits, classes_by_name(splits), problems)


def _objects(root, path, problems):
    objects, wrong = read_objects(root)
    problems += [f"{path}: {which} {what}: left out" for which, what in wrong]
    for item in objects:
        x0, y0, x1, y1 = item["box"]
        if not (x0 < x1 and y0 < y1):
            problems.append(f"{path}: the object {item['name']!r} has the box ({x0:g}, {y0:g}, {x1:g}, {y1:g}): left out")
            continue
        # VOC counts pixels from 1, the last one included.
        yield Object(item["name"], (x0 - 1, y0 - 1, x1, y1), ignored=item["difficult"])


def _splits(folder, pictures, problems):
    found = {}
    for path in files_below(folder, ".txt"):
        name = os.path.splitext(os.path.basename(path))[0]
        if os.path.basename(os.path.dirname(path)) != "Main" or name not in ("train", "val", "test", "trainval"):
            continue
        stems = read_listing(path, os.path.join(os.path.dirname(path), "..", "..", "Annotations"))
        missing = [stem for stem in stems if stem not in pictures]
        if missing:
            problems.append(f"{path}: {len(missing)} of its pictures are not there, such as {missing[0]}: left out")
        found[name] = [pictures[stem] for stem in stems if stem in pictures]
    trainval = found.pop("trainval", None)
    if trainval and "train" not in found:
        found["train"] = trainval
    return {name: listed for name, listed in found.items() if listed}
