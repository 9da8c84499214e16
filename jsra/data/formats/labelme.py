"""Labelme's files: one JSON file per picture, with `shapes`. Shapes with equal label and `group_id` are parts of one
object."""

from __future__ import annotations

import base64
import io
import math
import os
from collections import Counter

import numpy as np
from PIL import Image

from jsra.arguments import short
from jsra.data.formats.annotations import (
    Annotations,
    Object,
    Picture,
    classes_by_name,
    files_below,
    json_of,
    once,
    without_use,
)
from jsra.data.formats.lists import listed_splits
from jsra.data.formats.pictures import Pictures, size_of
from jsra.data.image import PICTURES
from jsra.data.masks import encode, placed, to_bitmap
from jsra.data.problems import counted

OUTLINES = ("polygon", "rotation")  # the second is a rotated box of X-AnyLabeling, given by its corners
CORNERS = ("rectangle", "mask")  # given by two points; for a mask, the corners of its bitmap

NO_OBJECTS = ("__ignore__", "_background_", "__background__")  # labels of regions: the first entries of Labelme's lists
# The entries of a shape that are used, or that say nothing about the object. Others are named.
_OF_SHAPE = {
    "label", "points", "group_id", "shape_type", "mask", "difficult", "description", "text", "line_color", "fill_color",
    "direction", "other_data", "flags", "attributes",
}  # fmt: skip


def find(folder: str):
    """See jsra.data.formats."""
    splits, problems, places, unused = {}, [], None, Counter()
    for path in files_below(folder, ".json"):
        content = json_of(path, problems)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            continue
        if places is None:
            places = Pictures(folder)
            lists, files = listed_splits(places, problems)
        file, why = _picture(path, content, places)
        size, why = size_of(file, (content.get("imageWidth"), content.get("imageHeight"))) if file else (None, why)
        if size is None:
            problems.append(f"{path}: {why}: left out")
            continue
        other = os.path.normpath(os.path.join(os.path.dirname(path), _named(content)))
        if other != file and other.lower().endswith(PICTURES) and os.path.isfile(other):
            problems.append(f"{path}: its imagePath is {content['imagePath']!r}, but the picture with its own name is used")
        objects = list(_objects(path, content["shapes"], size, problems))
        unused.update(key for shape in content["shapes"] if isinstance(shape, dict) for key in _not_used(shape))
        marks = content.get("flags")
        if isinstance(marks, dict):
            unused.update(f"flags.{key} of a picture" for key in marks if marks[key])
        subset = lists.get(file) or places.split(path) or places.split(file) or "all"
        splits.setdefault(subset, []).append(Picture(file, path, *size, objects, places.fit(file, path), as_stored=bool(why)))
    splits = once(splits, problems)
    problems += without_use(folder, "shapes", unused)
    return Annotations("Labelme", splits, classes_by_name(splits), problems, files) if places is not None else None


def _picture(path, content, places) -> tuple:
    """(the path of the picture of an annotation file, ''), or (None, the reason why there is none).

    It is the picture with the annotation's own name in the same folder (if there are several, the one with the extension that
    the annotation names); otherwise the picture that it names, which is often a path of another machine, or an old name;
    otherwise a picture of this name in another folder.
    """
    named = _named(content)
    stem = os.path.splitext(path)[0]
    near = [stem + ending for ending in (os.path.splitext(named)[1], *PICTURES) if ending]
    near += [os.path.join(os.path.dirname(path), name) for name in (named, os.path.basename(named))]
    near = (place for place in near if place.lower().endswith(PICTURES) and os.path.isfile(place))
    file = next(map(os.path.normpath, near), None)
    if file is None:
        file = places.find(os.path.basename(stem), path, stem=True)[0] or places.find(named, path)[0]
    if file is None:
        missing = f"its picture {content.get('imagePath')!r} is missing"
        if content.get("imageData"):
            missing += "; the one inside this file (imageData) is not read: save it next to it"
        why = places.absent(os.path.basename(stem)) or missing + places.other_case(os.path.basename(stem), stem=True)
    return file, "" if file else why


def _named(content):
    return str(content.get("imagePath") or "").replace("\\", "/")


def _not_used(shape):
    """The entries of a shape that are not used: those that are unknown, and marks that are set."""
    yield from (key for key in shape.keys() - _OF_SHAPE if shape[key])
    for part in ("flags", "attributes"):
        marks = shape.get(part)
        yield from (f"{part}.{key}" for key in marks if marks[key]) if isinstance(marks, dict) else ()


def _objects(path, shapes, size, problems):
    parts = {}
    for number, shape in enumerate(shapes):
        part, why = _part(shape, number)
        if part is None:
            problems.append(f"{path}: {why}: left out")
            continue
        if shape.get("shape_type") == "mask":
            mask = _mask(shape, size)
            if mask is None:
                problems.append(f"{path}: the mask of {part.name!r} cannot be read: only the box is used")
            else:
                part.segmentation, part.box = mask
        group = shape.get("group_id")
        parts.setdefault((part.name, number if group in (None, "") else f"group {group}"), []).append(part)
    for (name, _), listed in parts.items():
        x0, y0, x1, y1 = zip(*(part.box for part in listed))
        drawn = all(part.segmentation for part in listed)
        box, ignored = (min(x0), min(y0), max(x1), max(y1)), all(part.ignored for part in listed)
        yield Object(name, box, _united(listed, size) if drawn else [], ignored)


def _united(parts, size):
    """The segmentation of an object of several parts: their polygons, or one RLE if a part is a bitmap."""
    if any(isinstance(part.segmentation, dict) for part in parts):
        return encode(np.any([to_bitmap(part.segmentation, *size) for part in parts], axis=0))
    return [polygon for part in parts for polygon in part.segmentation]


def _mask(shape, size):
    """(RLE, box) of a shape that is a bitmap: a PNG in base64, and the pixel of its top left corner. None if it cannot be
    read or has no pixel in the picture."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
            bitmap = np.asarray(image.convert("L")) > 0
        x, y = (int(v) for v in shape["points"][0])
    except (KeyError, TypeError, ValueError, OSError, OverflowError, SyntaxError, Image.DecompressionBombError):
        return None
    return placed(bitmap, x, y, *size)


def _part(shape, number):
    """(the object of a shape, ''), or (None, the reason why there is none). number: of the shape, from 0."""
    try:
        kind, points = shape.get("shape_type") or "polygon", [[float(x), float(y)] for x, y in shape.get("points") or []]
    except (AttributeError, TypeError, ValueError):
        return None, f"the shape {short(shape)} has no valid points (x, y)"
    if kind == "circle" and len(points) == 2:
        (x, y), radius = points[0], math.dist(*points)
        points = [[x - radius, y - radius], [x + radius, y + radius]]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    known = kind in (*OUTLINES, *CORNERS, "circle")
    drawn = kind not in OUTLINES or len(points) > 2  # Labelme closes an outline of three points or more
    if not known or not points or not drawn or not (min(xs) < max(xs) and min(ys) < max(ys)):
        return None, f"the {kind} {shape.get('label')!r} with {counted(len(points), 'point')} is not an object"
    label = shape.get("label")
    if label is None or not str(label).strip():
        return None, f"the {kind} number {number + 1} has no label"
    if str(label).strip() in NO_OBJECTS:
        return None, f"the {kind} {label!r} is a region, not an object"
    if not all(map(math.isfinite, xs + ys)):
        return None, f"the {kind} {label!r} has a coordinate that is not a number"
    polygons = [[v for p in points for v in p]] if kind in OUTLINES else []
    difficult = shape.get("difficult") is True  # a mark of X-AnyLabeling
    return Object(str(label).strip(), (min(xs), min(ys), max(xs), max(ys)), polygons, difficult), ""
