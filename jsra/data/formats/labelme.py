"""Labelme's files: one JSON file per picture, with `shapes` (rectangles, polygons, circles)."""

from __future__ import annotations

import math
import os

from jsra.arguments import short
from jsra.data.formats.annotations import Annotations, Object, Picture, classes_by_name, files_below, json_of
from jsra.data.formats.pictures import size_of, split_of


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
        splits.setdefault(subset, []).append(Picture(file, *size, objects))
    return Annotations("Labelme", splits, classes_by_name(splits), problems) if any_file else None


def _picture(path, content):
    """The picture that the annotation names, in the same folder; otherwise the picture with the annotation's own name."""
    named = str(content.get("imagePath") or "").replace("\\", "/")
    stem = os.path.splitext(path)[0]
    places = [os.path.join(os.path.dirname(path), named), os.path.join(os.path.dirname(path), os.path.basename(named))]
    places += [stem + ending for ending in (".jpg", ".jpeg", ".png", ".bmp")]
    return next((place for place in places if os.path.isfile(place)), None)


def _objects(path, shapes, problems):
    for shape in shapes:
        try:
            kind, points = shape.get("shape_type", "polygon"), [[float(x), float(y)] for x, y in shape.get("points") or []]
        except (AttributeError, TypeError, ValueError):
            problems.append(f"{path}: the shape {short(shape)} has no valid points (x, y): left out")
            continue
        if kind == "circle" and len(points) == 2:
            (x, y), radius = points[0], math.dist(*points)
            points = [[x - radius, y - radius], [x + radius, y + radius]]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        if kind not in ("rectangle", "polygon", "circle") or not points or not (min(xs) < max(xs) and min(ys) < max(ys)):
            problems.append(f"{path}: a {kind} {shape.get('label')!r} with {len(points)} points is not an object: left out")
            continue
        label = shape.get("label")
        if label is None or not str(label).strip():
            problems.append(f"{path}: a {kind} without a label: left out")
            continue
        if not all(map(math.isfinite, xs + ys)):
            problems.append(f"{path}: a {kind} {shape.get('label')!r} has a coordinate that is not a number: left out")
            continue
        polygons = [[v for p in points for v in p]] if kind == "polygon" and len(points) > 2 else []
        yield Object(str(label).strip(), (min(xs), min(ys), max(xs), max(ys)), polygons)
