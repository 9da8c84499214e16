"""COCO's annotation files: <split>.json with images, annotations and categories."""

from __future__ import annotations

import os

from jsra.data.coco import segmentation_problems
from jsra.data.coco_file import check_coco
from jsra.data.formats.annotations import Annotations, Object, Picture, files_below, json_of, once
from jsra.data.formats.pictures import Pictures, size_of, split_of


def find(folder: str):
    """See jsra.data.formats."""
    files, problems = [], []
    for path in files_below(folder, ".json"):
        file = _read(path, problems)
        if file is not None:
            name = os.path.relpath(path, folder)
            files.append((split_of(os.path.basename(name)) or split_of(os.path.dirname(name)) or "all", file))
    if not files:
        return None
    places, splits, classes = Pictures(folder), {}, []
    # instances_val2017.json comes before person_keypoints_val2017.json: the same pictures, but all classes.
    for split, file in sorted(files, key=lambda f: "instances" not in os.path.basename(f[1].path)):
        problems += [f"{file.path}: {p.where}: {p.what}: left out" for p in file.problems]
        splits.setdefault(split, []).extend(_pictures(places, file, problems))
        known = sorted(file.categories.items(), key=lambda c: (isinstance(c[0], str), c[0]))
        classes += [name for _, name in known if name not in classes]
    return Annotations("COCO", once(splits, problems), classes, problems)


def _read(path, problems):
    """The annotation file if it is in COCO's format and has annotations, else None."""
    content = json_of(path, problems)
    if not isinstance(content, dict) or not {"images", "categories"} <= content.keys():
        return None
    return check_coco(path, content) if isinstance(content.get("annotations"), list) else None


def _pictures(places, file, problems):
    for img_id, image in file.images.items():
        place, why = places.find(image["file_name"], file.path)
        stated = int(image["width"]), int(image["height"])
        size, why = size_of(place, stated) if place else (None, why)
        if size is None:
            problems.append(f"{file.path}: {place or 'image'} (id {img_id}): {why}: left out")
            continue
        objects = []
        for a in file.annotations[img_id]:
            x, y, w, h = a["bbox"]
            segmentation = a.get("segmentation") or []
            wrong = segmentation_problems(a, *size) if segmentation else []
            problems += [f"{file.path}: {p.where}: {p.what}: only the box is used" for p in wrong]
            name = file.categories[a["category_id"]]
            marks = {key: a[key] for key in ("area", "ignore") if a.get(key) is not None}
            box = (x, y, x + w, y + h)
            objects.append(Object(name, box, [] if wrong else segmentation, bool(a.get("iscrowd")), marks))
        yield Picture(place, file.path, *size, objects)
