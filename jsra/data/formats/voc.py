"""Pascal VOC's annotations: one XML file per picture, lists of the splits in ImageSets/Main."""

from __future__ import annotations

import os

from jsra.data.formats.annotations import (
    Annotations,
    Object,
    Picture,
    bounds,
    classes_by_name,
    files_below,
    once,
    rotation,
    turned,
    xml_of,
)
from jsra.data.formats.lists import listed_splits
from jsra.data.formats.pictures import Pictures, size_of, stem_of
from jsra.data.voc_file import read_listing, read_objects


def find(folder: str):
    """See jsra.data.formats."""
    found, problems, places = {}, [], None  # annotation file -> Picture
    for path in files_below(folder, ".xml"):
        root = xml_of(path, problems)
        if root is None or root.tag != "annotation":
            continue
        places = places or Pictures(folder)
        # The name of the XML file decides: <filename> is often from another machine, or of another picture.
        picture, why = places.find(stem_of(path), path, stem=True)
        size, why = size_of(picture, [root.findtext(f"size/{k}") for k in ("width", "height")]) if picture else (None, why)
        if size is None:
            problems.append(f"{path}: {why}: left out")
            continue
        objects = list(_objects(root, path, problems))
        found[os.path.normpath(path)] = Picture(picture, path, *size, objects, places.fit(picture, path))
    if places is None:
        return None
    main = _lists(folder)
    listed, files = listed_splits(places, problems)
    splits = _splits(main, found, problems) or _splits_of_folders(places, found, listed)
    splits = once(splits, problems)
    return Annotations("Pascal VOC", splits, classes_by_name(splits), problems, [*main, *files])


def _objects(root, path, problems):
    objects, wrong = read_objects(root)
    problems += [f"{path}: {which} {what}: left out" for which, what in wrong]
    for item in objects:
        x0, y0, x1, y1 = item["box"]
        if x0 > x1 or y0 > y1:  # equal coordinates: one pixel wide
            problems.append(f"{path}: the object {item['name']!r} has the box ({x0:g}, {y0:g}, {x1:g}, {y1:g}): left out")
            continue
        # VOC counts pixels from 1 and includes the last one. Many programs count from 0: their first pixel stays at 0.
        x0, y0 = (max(v - 1, min(v, 0)) for v in (x0, y0))
        box, polygons, angle = (x0, y0, x1, y1), [], rotation(item["rotation"])
        if angle:
            points = turned(box, angle)
            box, polygons = bounds(points), [points]
        yield Object(item["name"], box, polygons, item["difficult"])


def _splits_of_folders(places, found, listed):
    """The splits from other lists, {picture: split}, and the words train, val and test in the folders of the annotation
    files or the pictures."""
    splits = {}
    for path, picture in found.items():
        split = listed.get(picture.file) or places.split(path) or places.split(picture.file) or "all"
        splits.setdefault(split, []).append(picture)
    return splits


def _lists(folder) -> dict:
    """{path: name} of the lists in ImageSets/Main."""
    named = {path: stem_of(path) for path in files_below(folder, ".txt")}
    known = ("train", "val", "test", "trainval")
    return {p: n for p, n in named.items() if n in known and os.path.basename(os.path.dirname(p)) == "Main"}


def _splits(lists, found, problems):
    """The splits from `lists` (see _lists)."""
    splits = {}
    for path, name in lists.items():
        annotations = os.path.normpath(os.path.join(os.path.dirname(path), "..", "..", "Annotations"))
        stems = read_listing(path, annotations)
        files = [os.path.join(annotations, f"{stem}.xml") for stem in stems]
        missing = [stem for stem, file in zip(stems, files) if file not in found]
        if missing:
            problems.append(f"{path}: {len(missing)} of its pictures are missing, such as {missing[0]}: left out")
        splits.setdefault(name, []).extend(found[file] for file in files if file in found)
    trainval = splits.pop("trainval", None)
    if trainval and not splits.get("train"):
        splits["train"] = trainval
    return {name: listed for name, listed in splits.items() if listed}
