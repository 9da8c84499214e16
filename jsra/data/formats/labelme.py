"""Labelme's files: one JSON file per picture, with `shapes`. Shapes with equal label and `group_id` are parts of one
object."""

from __future__ import annotations

import math
import os

from jsra.arguments import short
from jsra.data.formats.annotations import Annotations, Object, Picture, classes_by_name, files_below, json_of, once
from jsra.data.formats.pictures import size_of, split_of
from jsra.data.image import PICTURES

OUTLINES = ("polygon", "rotation")  # the second is a rotated box of X-AnyLabeling, given by its corners
CORNERS = ("rectangle", "mask")  # given by two points; for a mask, the corners of its bitmap


def find(folder: str):
    """See jsra.data.formats."""
    splits, problems, any_file = {}, [], False
    for path in files_below(folder, ".json"):
        content = json_of(path, problems)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            continue
        any_file = True
        file, why = _picture(path, content), f"its picture {content.get('imagePath')!r} is missing"
        size, why = size_of(file, (content.get("imageWidth"), content.get("imageHeight"))) if file else (None, why)
        if size is None:
            problems.append(f"{path}: {why}: left out")
            continue
        objects = list(_objects(path, content["shapes"], problems))
        subset = split_of(os.path.dirname(os.path.relpath(path, folder))) or "all"
        splits.setdefault(subset, []).append(Picture(file, path, *size, objects))
    splits = once(splits, problems)
    return Annotations("Labelme", splits, classes_by_name(splits), problems) if any_file else None


def _picture(path, content):
    """The picture with the annotation's own name in the same folder (if there are several, the one with the extension that
    the annotation names); otherwise the picture that it names. That name is often a path of another machine, or an old
    name."""
    named = str(content.get("imagePath") or "").replace("\\", "/")
    stem = os.path.splitext(path)[0]
    places = [stem + ending for ending in (os.path.splitext(named)[1], *PICTURES) if ending]
    places += [os.path.join(os.path.dirname(path), name) for name in (named, os.path.basename(named))]
    return next((os.path.normpath(place) for place in places if os.path.isfile(place)), None)


def _objects(path, shapes, problems):
    parts = {}
    for number, shape in enumerate(shapes):
        part, why = _part(shape)
        if part is None:
            problems.append(f"{path}: {why}: left out")
            continue
        group = shape.get("group_id")
        parts.setdefault((part.name, number if group is None else f"group {group}"), []).append(part)
    for (name, _), listed in parts.items():
        x0, y0, x1, y1 = zip(*(part.box for part in listed))
        drawn = all(part.segmentation for part in listed)
        polygons = [polygon for part in listed for polygon in part.segmentation] if drawn else []
        yield Object(name, (min(x0), min(y0), max(x1), max(y1)), polygons)


def _part(shape):
    """(the object of a shape, ''), or (None, the reason why there is none)."""
    try:
        kind, points = shape.get("shape_type") or "polygon", [[float(x), float(y)] for x, y in shape.get("points") or []]
    except (AttributeError, TypeError, ValueError):
        return None, f"the shape {short(shape)} has no valid points (x, y)"
    if kind == "circle" and len(points) == 2:
        (x, y), radius = points[0], math.dist(*points)
        points = [[x - radius, y - radius], [x + radius, y + radius]]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    known = kind in (*OUTLINES, *CORNERS, "circle")
    if not known or not points or not (min(xs) < max(xs) and min(ys) < max(ys)):
        return None, f"a {kind} {shape.get('label')!r} with {len(points)} points is not an object"
    label = shape.get("label")
    if label is None or not str(label).strip():
        return None, f"a {kind} without a label"
    if not all(map(math.isfinite, xs + ys)):
        return None, f"a {kind} {label!r} has a coordinate that is not a number"
    polygons = [[v for p in points for v in p]] if kind in OUTLINES and len(points) > 2 else []
    return Object(str(label).strip(), (min(xs), min(ys), max(xs), max(ys)), polygons), ""
