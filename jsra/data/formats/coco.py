"""COCO's annotation files: <split>.json with images, annotations and categories."""

from __future__ import annotations

import os

from jsra.data.coco import segmentation_problems
from jsra.data.coco_file import check_coco
from jsra.data.formats.annotations import Annotations, Object, Picture, files_below, json_of, pictures_below, split_of


def find(folder: str):
    """See jsra.data.formats."""
    splits, classes, problems = {}, [], []
    for path in files_below(folder, ".json"):
        file = _read(path, problems)
        if file is None:
            continue
        problems += [f"{path}: {p.where}: {p.what}: left out" for p in file.problems]
        splits.setdefault(split_of(os.path.basename(path)) or "all", []).extend(_pictures(folder, file, problems))
        known = sorted(file.categories.items(), key=lambda c: (isinstance(c[0], str), c[0]))
        classes += [name for _, name in known if name not in classes]
    if not splits:
        return None
    return Annotations("COCO", splits, classes, problems)


def _read(path, problems):
    """The annotation file if it is COCO's form, with annotations, else None."""
    content = json_of(path, problems)
    if not isinstance(content, dict) or not {"images", "categories"} <= content.keys():
        return None
    return check_coco(path, content) if isinstance(content.get("annotations"), list) else None


def _pictures(folder, file, problems):
    places, found = _places(folder), []
    for img_id, image in file.images.items():
        name = image["file_name"]
        place = places.get(_key(name)) or places.get(os.path.basename(name))
        if place is None:
            problems.append(f"{file.path}: the picture {name} (id {img_id}) is not in {folder}: left out")
            continue
        width, height = int(image["width"]), int(image["height"])
        objects = []
        for a in file.annotations[img_id]:
            x, y, w, h = a["bbox"]
            polygons = a.get("segmentation") if isinstance(a.get("segmentation"), list) else []
            wrong = segmentation_problems(a, width, height) if polygons else []
            problems += [f"{file.path}: {p.where}: {p.what}: the box alone is taken" for p in wrong]
            name = file.categories[a["category_id"]]
            objects.append(Object(name, (x, y, x + w, y + h), [] if wrong else polygons, bool(a.get("iscrowd"))))
        found.append(Picture(place, width, height, objects))
    return found


def _places(folder) -> dict:
    """{the last two parts of a path, and its file name alone where that is unique: path} of all pictures."""
    places, counts = {}, {}
    for path in pictures_below(folder):
        name = os.path.basename(path)
        counts[name] = counts.get(name, 0) + 1
        places[_key(path)] = path
        places[name] = path
    return {key: path for key, path in places.items() if "/" in key or counts[key] == 1}


def _key(path):
    return "/".join(path.replace(os.sep, "/").split("/")[-2:])
