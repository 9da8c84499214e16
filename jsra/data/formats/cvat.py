"""CVAT's XML for images ('CVAT for images 1.1'): one file with an <image> per picture, with <box>, <polygon>, <ellipse> and
<mask> inside."""

from __future__ import annotations

import math
import os
from collections import Counter

import numpy as np

from jsra.data.formats.annotations import (
    Annotations,
    Object,
    Picture,
    bounds,
    classes_by_name,
    files_below,
    once,
    turned,
    without_use,
    xml_of,
)
from jsra.data.formats.lists import listed_splits
from jsra.data.formats.pictures import Pictures, size_of, split_of
from jsra.data.masks import placed


def find(folder: str):
    """See jsra.data.formats."""
    splits, problems, listed, places, attributes = {}, [], [], None, Counter()
    for path in files_below(folder, ".xml"):
        root = xml_of(path, problems)
        if root is None or root.tag != "annotations":
            continue
        if places is None:
            places = Pictures(folder)
            lists, files = listed_splits(places, problems)
        if root.find("track") is not None:
            problems.append(f"{path}: it has video tracks: export the task as 'CVAT for images'; they are left out")
        listed += [(label.findtext("name") or "").strip() for label in root.iter("label")]
        for image in root.findall("image"):
            name, said = image.get("name") or "", image.get("subset") or ""
            within = f"{said}/{name}" if said else name  # subsets of a project may have pictures of the same names
            # Frames of videos have no ending here, others .jpg for .png.
            file, why = places.find(within, path, any_ending=True)
            size, why = size_of(file, (image.get("width"), image.get("height"))) if file else (None, why)
            if size is None:
                problems.append(f"{path}: {name}: {why}: left out")
                continue
            words = said, os.path.dirname(name), os.path.basename(path)
            subset = next(filter(None, map(split_of, words)), None) or lists.get(file) or places.split(file) or "all"
            objects = list(_united(_objects(image, size, f"{path}, {name}", problems)))
            attributes.update(f"tag.{tag.get('label')}" for tag in image.findall("tag"))
            attributes.update(a.get("name") for a in image.iter("attribute") if (a.text or "").strip() not in ("", "false"))
            picture = Picture(file, path, *size, objects, places.fit(file, path, within), name, bool(why))
            splits.setdefault(subset, []).append(picture)
    if places is None:
        return None
    splits = once(splits, problems)
    problems += without_use(folder, "pictures and objects", attributes)
    names = classes_by_name(splits)
    classes = [name for name in dict.fromkeys([*listed, *names]) if name in names]
    return Annotations("CVAT", splits, classes, problems, files)


def _united(objects):
    """The Objects of (group, Object): polygons of one name and group are parts of one object."""
    united = {}
    for number, (group, o) in enumerate(objects):
        united.setdefault((o.name, group) if group and o.segmentation else number, []).append(o)
    for parts in united.values():
        if len(parts) > 1:
            boxes = [v for part in parts for v in part.box]
            parts = [Object(parts[0].name, bounds(boxes), [polygon for part in parts for polygon in part.segmentation])]
        yield parts[0]


def _objects(image, size, where, problems):
    """(its group, Object) for each object of an image of this size; the group is '' for none."""
    for element in image:
        name = (element.get("label") or "").strip()
        try:
            if element.tag == "box":
                points = [float(element.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")]
                polygons = []
                angle = float(element.get("rotation") or 0)
                if angle:
                    points = turned(points, angle)
                    polygons = [points]
            elif element.tag == "polygon":
                points = [float(v) for pair in element.get("points").split(";") for v in pair.split(",")]
                polygons = [points]
            elif element.tag == "ellipse":
                points, polygons = _ellipse(element), []
            elif element.tag == "mask":
                polygons, points = _mask(element, size)
            else:
                if element.tag not in ("tag", "attribute"):
                    what = f"the {element.tag} {name!r} is not a box, a polygon, an ellipse or a mask"
                    problems.append(f"{where}: {what}: left out")
                continue
        except _WrongMask as error:
            problems.append(f"{where}: the mask {name!r} {error}: left out")
            continue
        except (TypeError, ValueError, AttributeError):
            problems.append(f"{where}: the coordinates of the {element.tag} {name!r} are not numbers: left out")
            continue
        xs, ys = points[0::2], points[1::2]
        if len(xs) != len(ys) or not all(map(math.isfinite, points)):
            problems.append(f"{where}: the coordinates of the {element.tag} {name!r} are not pairs of numbers: left out")
            continue
        box = bounds(points)
        if not (name and box[0] < box[2] and box[1] < box[3]):
            problems.append(f"{where}: the {element.tag} {name!r} has no name or no size: left out")
            continue
        group = element.get("group_id") if element.tag == "polygon" else None
        yield "" if group in (None, "0") else group, Object(name, box, polygons)


def _ellipse(element) -> list:
    """x0, y0, x1, y1 of the upright box around an ellipse."""
    cx, cy, rx, ry = (float(element.get(key)) for key in ("cx", "cy", "rx", "ry"))
    angle = math.radians(float(element.get("rotation") or 0))
    w, h = (math.hypot(rx * a, ry * b) for a, b in ((math.cos(angle), math.sin(angle)), (math.sin(angle), math.cos(angle))))
    return [cx - w, cy - h, cx + w, cy + h]


class _WrongMask(Exception):
    """A mask that cannot be used; the text says why."""


def _mask(element, size) -> tuple:
    """(RLE as in COCO, x0, y0, x1, y1 of its pixels) of a mask: row by row in its own box, the numbers of pixels that are by
    turns outside and inside."""
    left, top, width, height = (int(element.get(key)) for key in ("left", "top", "width", "height"))
    counts = np.array([int(count) for count in element.get("rle").split(",")])
    if min(width, height) <= 0 or counts.min() < 0 or counts.sum() != width * height:
        raise _WrongMask(f"has {counts.sum()} pixels in its rle, but its box is {width} x {height}")
    bitmap = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    mask = placed(bitmap, left, top, *size)
    if mask is None:
        raise _WrongMask("has no pixel in the picture")
    return mask
