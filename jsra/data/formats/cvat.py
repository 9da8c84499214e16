"""CVAT's XML for images ('CVAT for images 1.1'): one file with an <image> each, <box> and <polygon> inside."""

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
    split_of,
    xml_of,
)  # fmt: skip


def find(folder: str):
    """See jsra.data.formats."""
    splits, problems, listed = {}, [], []
    places = {os.path.basename(path): path for path in pictures_below(folder)}
    for path in files_below(folder, ".xml"):
        root = xml_of(path, problems)
        if root is None or root.tag != "annotations":
            continue
        listed += [e.text.strip() for e in root.iter("name") if e.text and _is_label_name(root, e)]
        for image in root.findall("image"):
            name = image.get("name") or ""
            file = places.get(os.path.basename(name))
            size = size_of(file) if file else None
            if size is None:
                problems.append(f"{path}: the picture {name!r} is not there or cannot be read: left out")
                continue
            subset = split_of(image.get("subset") or "") or split_of(os.path.dirname(name)) or "all"
            splits.setdefault(subset, []).append(Picture(file, *size, list(_objects(image, f"{path}, {name}", problems))))
    if not splits:
        return None
    names = classes_by_name(splits)
    return Annotations("CVAT", splits, [n for n in listed if n in names] or names, problems)


def _is_label_name(root, element):
    return any(element in list(label) for label in root.iter("label"))


def _objects(image, where, problems):
    for element in image:
        name = element.get("label") or ""
        try:
            if element.tag == "box":
                points = [float(element.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")]
                polygons = []
            elif element.tag == "polygon":
                points = [float(v) for pair in element.get("points").split(";") for v in pair.split(",")]
                polygons = [points]
            else:
                if element.tag not in ("tag", "attribute"):
                    problems.append(f"{where}: a {element.tag} {name!r} is no box and no polygon: left out")
                continue
        except (TypeError, ValueError, AttributeError):
            problems.append(f"{where}: a {element.tag} {name!r} whose coordinates are not numbers: left out")
            continue
        xs, ys = points[0::2], points[1::2]
        box = (min(xs), min(ys), max(xs), max(ys))
        if not (name and box[0] < box[2] and box[1] < box[3]):
            problems.append(f"{where}: the {element.tag} {name!r} has no name or no size: left out")
            continue
        yield Object(name, box, polygons)
