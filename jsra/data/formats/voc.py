"""Pascal VOC's annotations: one XML file per picture, lists of the splits in ImageSets/Main."""

from __future__ import annotations

import os
from collections import Counter

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
    without_use,
    xml_of,
)
from jsra.data.formats.lists import listed_splits
from jsra.data.formats.pictures import Pictures, size_of, split_called, stem_of
from jsra.data.paths import composed
from jsra.data.voc_file import names_meant, objects_elsewhere, read_listing, read_objects

# What an <object> may have that is used, or that says nothing about its box. Others are named.
_OF_OBJECT = {
    "name", "bndbox", "difficult", "pose", "truncated", "occluded", "trackid", "generated", "polygon", "part", "actions",
    "id", "type", "attributes", "ignore", "crowd", "iscrowd", "view", "deleted", "verified", "date", "confidence", "score",
}  # fmt: skip
_OF_ATTRIBUTES = ("rotation", "keyframe", "track_id")


def find(folder: str):
    """See jsra.data.formats."""
    found, problems, places, unused = {}, [], None, Counter()  # found: annotation file -> Picture
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
        elsewhere = objects_elsewhere(root)
        if elsewhere:
            problems.append(f"{path}: it has objects in <{elsewhere}>, another format: left out")
            continue
        objects = list(_objects(root, path, problems))
        unused.update(key for o in root.findall("object") for key in _not_used(o))
        found[os.path.normpath(path)] = Picture(picture, path, *size, objects, places.fit(picture, path), as_stored=bool(why))
    if places is None:
        return None
    main = _lists(folder)
    others = [p for p in files_below(folder, ".txt") if main and "ImageSets" in p.split(os.sep)]  # of VOC's other tasks
    listed, files = listed_splits(places, problems, others)
    splits = once(_splits(main, found, places, listed, problems), problems)
    problems += without_use(folder, "objects", unused)
    return Annotations("Pascal VOC", splits, classes_by_name(splits), problems, [*main, *others, *files, *found])


def _not_used(node):
    """The entries of an <object> that are not used: those that are unknown, and attributes of CVAT that are set."""
    yield from (child.tag for child in node if child.tag not in _OF_OBJECT)
    for attribute in node.findall("attributes/attribute"):
        name, value = attribute.findtext("name"), (attribute.findtext("value") or "").strip().lower()
        if name not in _OF_ATTRIBUTES and value not in ("", "0", "false"):
            yield f"attributes.{name}"


def _objects(root, path, problems):
    objects, wrong = read_objects(root)
    problems += [f"{path}: {which} {what}: left out" for which, what in wrong]
    for item in objects:
        x0, y0, x1, y1 = item["box"]
        if x0 > x1 or y0 > y1:  # equal coordinates: one pixel wide
            what = f"the object {item['name']!r} has xmin > xmax or ymin > ymax: ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
            problems.append(f"{path}: {what}: left out")
            continue
        # VOC counts pixels from 1 and includes the last one. Many programs count from 0: their first pixel stays at 0.
        x0, y0 = (max(v - 1, min(v, 0)) for v in (x0, y0))
        box, polygons, angle = (x0, y0, x1, y1), [], rotation(item["rotation"])
        if angle:
            points = turned(box, angle)
            box, polygons = bounds(points), [points]
        elif item["polygon"] is None:
            problems.append(f"{path}: the polygon of {item['name']!r} is not <x1>, <y1>, <x2>, ...: only the box is used")
        elif item["polygon"]:
            polygons = [item["polygon"]]
        yield Object(item["name"], box, polygons, item["difficult"])


def _lists(folder) -> dict:
    """{path: name} of the lists in ImageSets/Main; name: train, val, test or trainval."""
    paths = [p for p in files_below(folder, ".txt") if os.path.basename(os.path.dirname(p)) == "Main"]
    names = {p: stem_of(p).lower() for p in paths}
    names = {p: "trainval" if name == "trainval" else split_called(name) for p, name in names.items()}
    return {p: name for p, name in names.items() if name}


def _splits(main, found, places, listed, problems) -> dict:
    """{split: pictures} from ImageSets/Main (see _lists). Pictures that are not there are in a split of other lists,
    {picture: split}; if there are no lists, in that of the words train, val and test in their folders; in none ('all') if no
    pictures for training are named, or only these, at least half of all."""
    splits, used, starts = {}, set(), {composed(os.path.splitext(path)[0]): path for path in found}
    for folder in dict.fromkeys(map(os.path.dirname, main)):
        own = {}
        for path in (path for path in main if os.path.dirname(path) == folder):
            own.setdefault(main[path], []).extend(_of_list(path, starts, problems))
        both = own.pop("trainval", ())
        for name, other in (("train", "val"), ("val", "train")):
            others = set(own.get(other, ()))
            if not own.get(name):
                own[name] = [file for file in both if file not in others]
        for name, files in own.items():
            splits.setdefault(name, []).extend(found[file] for file in files)
            used.update(files)
    for path, picture in found.items():
        split = listed.get(picture.file)
        if not used:
            split = split or places.split(path) or places.split(picture.file) or "all"
        if split and path not in used:
            splits.setdefault(split, []).append(picture)
    splits = {name: pictures for name, pictures in splits.items() if pictures}
    if used:
        rest = [picture for path, picture in found.items() if path not in used and not listed.get(picture.file)]
        if rest and ("train" not in splits or (len(splits) == 1 and len(rest) <= len(splits["train"]))):
            splits["all"] = rest
    return splits


def _of_list(path, starts, problems) -> list:
    """The annotation files that a list in ImageSets/Main names, with or without folders and endings, if they are there.
    starts: {the path of an annotation file without its ending, `composed`: its path}."""
    annotations = os.path.normpath(os.path.join(os.path.dirname(path), "..", "..", "Annotations"))
    files, missing = [], []
    for name in read_listing(path, annotations):
        tried = (starts.get(composed(os.path.join(annotations, start))) for start in names_meant(name))
        file = next(filter(None, tried), None)
        (files if file else missing).append(file or name)
    if missing:
        problems.append(f"{path}: {len(missing)} of its pictures are missing, such as {missing[0]}: left out")
    return files
